/* What the parts of the benchmarks share. Private to src/measure. */
#ifndef PACO_MEASURE_BENCH_PARTS_H
#define PACO_MEASURE_BENCH_PARTS_H

#include "base/json_writer.h"
#include "measure/bench.h"
#include "measure/peak.h"
#include "train/run.h"

typedef struct Bench {
    Options *options;
    bool evaluation;
    Run run;
    Progress at;
    double open_seconds;
    int64_t idle;   /* peak memory before */
    int64_t memory; /* peak memory of what ran, beyond that */
    Peak peak;      /* the device's; zeros of the reference, of which nothing is known */
} Bench;

/* a / b; 0 where the device's clock is too coarse for b. */
double bench_per(double a, double b);
/* How much of what the device can do a step reaches, in percent: of its multiply-adds or of its
 * memory, whichever is more. */
double bench_share_of_peak(double flops, double bytes, double seconds, const Peak *peak);

/* ---- bench.c */

/* The model of the options, of 1000 classes and the network's usual image size where they say
 * nothing. */
ModelConfig bench_config(Options *options, bool evaluation);
/* Notes what program and driver take before there is a model. */
Status bench_idle(Bench *b);
Status bench_fill_integers(Bench *b, const Value *v, bool permutation, int below);
/* The median time of a training step, as bench_model measures it. */
Status bench_step_seconds(Options *options, double *median);
/* The device and the times of its runs, sorted; the memory: members of every line of JSON. */
void bench_put_times(JsonWriter *w, const Bench *b, const double *seconds);
void bench_put_memory(JsonWriter *w, const Bench *b);
/* Times the runs, then measures the device, and prints a line and, where asked for, the profile. */
Status bench_time(Bench *b, Status (*once)(Bench *),
                  void (*print)(const Bench *, const double *, FILE *), FILE *out);

/* ---- profile.c: times of a plan's steps, times[step][repeats] */

/* NULL without --profile. */
double *profile_new(const Bench *b);
/* Notes what every step took in the last run. */
Status profile_note(const Bench *b, double *times, int repeat);
/* The steps' medians, slowest first, with a summary by kind, to stderr. */
void profile_print(const Bench *b, double *times);

#endif
