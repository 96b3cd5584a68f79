/* Several runs: which of them differ in their seed alone, and what they have in common. */
#ifndef PACO_REPORT_RUNS_H
#define PACO_REPORT_RUNS_H

#include "report/run_record.h"
#include "report/table.h"

/* Runs of the same options, but for the seed and what shapes no weights, on the same training
 * data. */
typedef struct RunGroup {
    int *members; /* [count] numbers of runs, in the order given */
    int count;
} RunGroup;

typedef struct Runs {
    RunRecord *list; /* [count] */
    int count;
    RunGroup *groups; /* [group_count], in the order of their first members */
    int group_count;
    Arena arena;
} Runs;

/* Reads all folders; fails as run_record_read of the first that does. runs_free in any case. */
Status runs_read(int count, char *const *folders, Runs *out);
void runs_free(Runs *runs);

/* A number of a group: mean and sample standard deviation over the `count` members that have it.
 * NaN: none has; of one the deviation is NaN. Unscaled. */
typedef struct Spread {
    double mean, deviation;
    int count;
} Spread;

Spread runs_spread(const Runs *runs, const RunGroup *group, Figure figure);
/* What a group is called: the names of its runs, in the arena. */
const char *runs_group_name(const Runs *runs, const RunGroup *group, Arena *arena);

/* A row for each group: runs, seeds, the options in which groups differ, the figures that any has.
 * `split`: mean and deviation are columns of their own, unrounded, else one: "81.03 ± 0.21". */
Table runs_table(const Runs *runs, bool split, Arena *arena);

#endif
