/* Provenance: which program made a run, by which command, where and when; what train.log says at
 * every start of it, and report.json at the end. */
#ifndef PACO_TRAIN_PROVENANCE_H
#define PACO_TRAIN_PROVENANCE_H

#include "base/arena.h"
#include "base/json_writer.h"

#include <time.h>

/* Who trains. */
typedef struct TrainProgram {
    const char *version, *commit;
    char *const *words; /* the command line, from the program on; NULL behind the last */
} TrainProgram;

/* What report.json says of the run. Times are those of the process that ended it: a run that was
 * stopped or killed and went on had others before, as `starts` tells. */
typedef struct RunFacts {
    const TrainProgram *program;
    uint64_t seed;
    const char *device, *arithmetic; /* session.h */
    int processes, epochs;
    int64_t steps;                   /* of all epochs */
    int starts;                      /* 1: it was never resumed */
    time_t started, ended;
    double seconds, training, evaluation; /* of that process: all, epochs, evaluations */
} RunFacts;

/* The words so that a shell reads them as they were, in the arena. What no line can hold is spelt
 * as bash does ($'\x0a'). */
const char *provenance_command(char *const *words, Arena *arena);
/* "2026-11-28T05:40:00+01:00": local time with its zone. Returns text. */
const char *provenance_time(time_t at, char text[32]);
/* The working folder, in the arena; "" where it cannot be had. */
const char *provenance_folder(Arena *arena);
/* The object "run". */
void provenance_put(JsonWriter *writer, const RunFacts *facts);

#endif
