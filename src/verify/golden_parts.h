/* What the parts of golden verification share. Private to src/verify. */
#ifndef PACO_VERIFY_GOLDEN_PARTS_H
#define PACO_VERIFY_GOLDEN_PARTS_H

#include "base/json.h"
#include "train/run.h"
#include "verify/golden.h"

enum { GOLDEN_CATEGORIES = 16 };

typedef struct Category {
    const char *name;
    double worst, bound;
    char tensor[128]; /* where the worst figure was */
    double *figures;  /* all of them */
    int count;
} Category;

typedef struct Golden {
    const char *path;
    const Json *config, *expected, *tolerance;
    const GoldenOptions *options;
    FILE *out;
    ModelConfig config_of_model;
    Run run;
    Progress at;
    Schedule schedule;
    uint64_t seed;
    double scale; /* of the loss in the running step; 1 where none is */
    Category categories[GOLDEN_CATEGORIES];
    int categories_count;
    char wrong[256]; /* a number that must be equal and is not */
} Golden;

/* ---- golden_figures.c: how far numbers are off */

/* A figure of a category; losses have a bound per step. Not-a-number fails. */
void golden_note(Golden *g, const char *category, int step, const char *tensor, double figure);
/* After all figures: a category NAME_middle of the middle one, the median, of each category for
 * which the file bounds it. */
void golden_middles(Golden *g);
void golden_must_equal(Golden *g, const char *what, double expected, double got);
/* Norm of all tensors of a category of the file. */
double golden_whole(const Json *tensors);
bool golden_same_shape(const Json *probe, Dims dims);
/* Compares n numbers with their probe in the file; `whole` is the norm of all tensors of the
 * category. */
void golden_compare(Golden *g, const char *category, const char *probe_name, const Json *probe,
                    const double *numbers, int64_t n, double whole);
/* The same of a value on the device, divided by `scale`, less minus[] where that is given. */
Status golden_compare_value(Golden *g, const char *category, const char *probe_name,
                            const Json *probe, const Value *v, double whole, double scale,
                            const double *minus);

/* ---- golden_fill.c: the numbers that the oracle begins with */

/* Initial values of a parameter, its key copy or a running statistic, malloc'd. */
double *golden_initial(const Golden *g, const Value *v);
Status golden_fill_parameters(Golden *g);
Status golden_write_unit(Golden *g, const Value *v, const char *name);
Status golden_write_labels(Golden *g, const Value *v, const char *name, int classes);
/* Images of a view of the share's ranks, rank after rank, malloc'd. */
double *golden_images(const Golden *g, const Value *v, const char *view, int step, Ranks ranks);
/* Those that the share encodes as keys, in the order of the shuffle. */
double *golden_keys(const Golden *g, const Value *v, int step, const int32_t *order);
/* The log prior of the oracle's long tail, through the trainer's own; nothing without a prior. */
Status golden_write_prior(Golden *g);

/* ---- golden_step.c, golden_loss.c */
Status golden_step(Golden *g);
Status golden_loss(Golden *g);

#endif
