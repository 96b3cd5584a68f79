/* Sources: where the data of presets comes from, one row of sources.def each. */
#ifndef PACO_OPTIONS_SOURCES_H
#define PACO_OPTIONS_SOURCES_H

#include "data/sets.h"
#include "options/options.h"

typedef enum SourceId {
#define SOURCE(name, judged, files, layout) SOURCE_##name,
#include "options/sources.def"
} SourceId;

typedef struct SourceFile {
    OptionId option;         /* whose value it becomes */
    const char *value;       /* in a command; "": the row before has it */
    const char *name, *where, *sum;
} SourceFile;

typedef struct Source {
    const SetSize *size;
    Split judged;             /* of the published result */
    const SourceFile *files; /* name NULL behind the last */
    const char *layout;      /* lines */
} Source;

const Source *source_at(SourceId id);
/* Training images of the source as the options cut it. */
int64_t source_images(const Source *source, const Options *options);

#endif
