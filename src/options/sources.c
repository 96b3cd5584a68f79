/* The table of sources.def. */
#include "options/sources.h"

#include "data/longtail.h"

#include <stdlib.h>

#define FROM(option, value, name, where, sum) {OPTION_ID_##option, value, name, where, sum},

#define SOURCE(name, title, classes, train, test, files, layout)                                   \
    static const SourceFile name##_files[] = {files{OPTION_COUNT, NULL, NULL, NULL, NULL}};
#include "options/sources.def"

static const Source sources[] = {
#define SOURCE(name, title, classes, train, test, files, layout)                                   \
    {title, classes, train, test, name##_files, layout},
#include "options/sources.def"
};

const Source *source_at(SourceId id)
{
    return &sources[id];
}

int64_t source_images(const Source *source, const Options *options)
{
    LongTail tail = options_dataset(options, true).tail;
    if (tail.factor <= 0)
        return source->train;
    int64_t *counts = mem_zero((size_t)source->classes, sizeof *counts), images = 0;
    longtail_counts(&tail, source->train, source->classes, counts);
    for (int c = 0; c < source->classes; c++)
        images += counts[c];
    free(counts);
    return images;
}
