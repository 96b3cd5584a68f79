/* The table of sources.def. */
#include "options/sources.h"

#include "data/longtail.h"

#include <stdlib.h>

#define FROM(option, value, name, where, sum) {OPTION_ID_##option, value, name, where, sum},

#define SOURCE(name, judged, files, layout)                                                        \
    static const SourceFile name##_files[] = {files{OPTION_COUNT, NULL, NULL, NULL, NULL}};
#include "options/sources.def"

static const Source sources[] = {
#define SOURCE(name, judged, files, layout)                                                        \
    {&set_sizes[SET_##name], SPLIT_##judged, name##_files, layout},
#include "options/sources.def"
};

const Source *source_at(SourceId id)
{
    return &sources[id];
}

int64_t source_images(const Source *source, const Options *options)
{
    LongTail tail = options_dataset(options, true).tail;
    int classes = source->size->classes;
    int64_t all = source->size->images[SPLIT_TRAIN];
    if (tail.factor <= 0)
        return all;
    int64_t *counts = mem_zero((size_t)classes, sizeof *counts), images = 0;
    longtail_counts(&tail, all, classes, counts);
    for (int c = 0; c < classes; c++)
        images += counts[c];
    free(counts);
    return images;
}
