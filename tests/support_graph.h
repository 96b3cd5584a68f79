/* Small graphs under test: built several times, run by the reference in float64 and float32 and by a device
 * behind guard bytes, compared by the bounds of the design, section 8.
 *
 * A case is a function that builds a graph with trial_input, trial_output and trial_mutated. trial_run calls it once
 * for every place the graph runs on. On a device it checks besides: guard bytes around every buffer, padded
 * lanes of every blocked value, inputs that no node may write, and the same bits from two runs. */
#ifndef PACO_TESTS_SUPPORT_GRAPH_H
#define PACO_TESTS_SUPPORT_GRAPH_H

#include "plan/session.h"

/* ------------------------------------------------------------------------------------ guarded devices */

/* A backend around another: every buffer lies between sentinel bytes, at an offset that is not zero, and begins
 * full of not-a-numbers. */
typedef struct Guard {
    const Backend *inner;
    Device *device;
    DeviceInfo info;            /* what plans see */
    bool bare;                  /* no sentinels */
    struct GuardBuffer *buffers, *retired; /* alive; released ones whose addresses are kept */
} Guard;

const Backend *guard_backend(void);
/* For plan_compile and the functions of guard_backend. */
Device *guard_device(Guard *guard);
/* Fails the test when a sentinel of a live buffer was overwritten. */
void guard_check(Guard *guard, const char *what);

/* The devices of a test: the one that PACO_TEST_DEVICE names (default "opencl") with its own kernels, or those
 * of PACO_TEST_KERNELS, with the kernels of GPUs, and both with channels last (all operators but convolutions). Exits with 77 and the reason where there is none.
 *
 * With PACO_TEST_TINY=1, for runs under a simulator that is thousands of times slower and watches memory itself:
 * the kernels that PACO_TEST_KERNELS names alone, small cases alone, one run of each, every value in a buffer of
 * exactly its size, and nothing in it that was not written. */
enum { RIG_DEVICES = 4 };

typedef struct Rig {
    Guard guards[RIG_DEVICES];
    const char *names[RIG_DEVICES];
    int devices;
    bool tiny;
    int cases, compared; /* graphs run, tensors compared */
    double worst_sum, worst_element, worst_cancel; /* shares of their bounds, of the latest operator */
    double worst_share; /* of elements that two correct programs may round differently, likewise */
    double pooled_sum, pooled_elements; /* small tensors: mean squares times elements, and elements */
    bool seen[OP_COUNT]; /* operators that ran on a device */
} Rig;

/* So many bytes, malloc'd, of a pattern that is a not-a-number: what is read by mistake shows. */
void *sentinels(uint64_t bytes);

void rig_open(Rig *rig);
/* Ends an operator: judges the pool of its small tensors, and clears what is counted by operator. */
void rig_judge_pool(Rig *rig);
void rig_clear(Rig *rig);
void rig_close(Rig *rig);

/* ------------------------------------------------------------------------------------ trials */

typedef enum Fill {
    FILL_NORMAL,
    FILL_POSITIVE,    /* uniform in [0.5, 1.5) */
    FILL_RELU,        /* normal, negative ones replaced by zero */
    FILL_COARSE,      /* few different values: ties */
    FILL_CLASS,       /* integers in [0, below) */
    FILL_PERMUTATION, /* of 0 .. n-1 */
    FILL_BYTES,       /* 0 .. 255 */
    FILL_NAN,         /* normal, but for one not-a-number two thirds of the way */
    FILL_INFINITE,    /* normal, but for the last one */
    FILL_GIVEN,       /* the numbers that trial_given got */
} Fill;

/* How a tensor is compared: exactly; as sums of `length` terms; where such sums cancel, within 8 times the distance
 * of the reference's own float32 from its float64, and never stricter than sums that do not cancel; or by its not-a-numbers alone: `length` of them, at the reference's
 * places. */
typedef enum JudgeKind { JUDGE_EXACT, JUDGE_SUM, JUDGE_CANCEL, JUDGE_NANS } JudgeKind;

typedef struct Judge {
    JudgeKind kind;
    double length;
} Judge;

#define EXACT ((Judge){JUDGE_EXACT, 0})
#define SUM(n) ((Judge){JUDGE_SUM, (double)(n)})
#define CANCEL(n) ((Judge){JUDGE_CANCEL, (double)(n)})
#define NANS(n) ((Judge){JUDGE_NANS, (double)(n)})

enum { TRIAL_VALUES = 24, TRIAL_SIZES = 10, TRIAL_SEED = 7 };

typedef struct TrialValue {
    Value *value; /* of the graph built last */
    Judge judge;
    Fill fill;
    int below;
    double given[4];
    bool filled, judged;
    double *initial, *ref64, *ref32; /* logical elements */
    int64_t count;                   /* of them; the value itself goes with its graph */
    double own;                      /* 16 bits: root mean square error of the reference's float32 before rounding */
    void *before;                    /* device bytes before the run */
} TrialValue;

typedef struct Trial {
    Rig *rig;
    const char *name;
    Graph *graph;       /* being built: nodes go to QUERY unless the building function says EVAL */
    const int *p;       /* TRIAL_SIZES sizes of the case */
    StepParams state;   /* set by the building function; grad_scale begins as 1 */
    DType storage;      /* of images: every case runs in float32, fp16 and bf16 */
    DType rounded;      /* what images are filled with is of this type */
    bool fuse;          /* trial_fuses: fuse on the device; the reference never does */
    OpKind expected[2], gone[2]; /* [1]: on a device whose last team merges (CAP_LAST_TEAM) */
    TrialValue values[TRIAL_VALUES];
    int count;
} Trial;

typedef void BuildTrial(Trial *trial);

/* A value that no node makes. */
Value *trial_input(Trial *t, const char *name, Role role, DType dtype, Dims dims, Fill fill);
/* Features or images as a node left them: blocked, padded. */
Value *trial_features(Trial *t, const char *name, Dims dims, Fill fill);
/* A parameter: plain. */
Value *trial_param(Trial *t, const char *name, Dims dims, Fill fill);
/* The copy of a parameter in the storage type, with contents of its own. */
Value *trial_copy(Trial *t, const char *name, Value *param);
/* Up to four numbers, as they are given. */
Value *trial_given(Trial *t, const char *name, Role role, int count, const double *numbers);
/* Labels below `below`. */
Value *trial_labels(Trial *t, const char *name, int64_t count, int below);
/* The host reads this output of a node. */
void trial_output(Trial *t, Value *value, Judge judge);
/* This input is written in place. */
void trial_mutated(Trial *t, Value *value, Judge judge);
/* Devices fuse: an operator that fusion must make, and one that it must swallow. */
void trial_fuses(Trial *t, OpKind made, OpKind gone);
/* Where the last team merges it is these instead. */
void trial_fuses_last_team(Trial *t, OpKind made, OpKind gone);

/* Runs the case everywhere. */
void trial_run(Rig *rig, const char *name, BuildTrial *build, const int *p);

/* Judges a value that a device, which stores it as `stored`, gave: fails the test, or notes the shares of its bounds in
 * the rig. support_judge.c. */
void trial_judge(Trial *t, const char *what, const double *seen, const TrialValue *e, DType stored);

/* Runs the case for each row of sizes. */
#define TRIALS(rig, build, ...)                                                             \
    do {                                                                                    \
        static const int rows_[][TRIAL_SIZES] = {__VA_ARGS__};                                        \
        for (size_t i_ = 0; i_ < sizeof rows_ / sizeof *rows_; i_++)                        \
            trial_run(rig, #build, build, rows_[i_]);                                       \
    } while (0)

/* Relative L2 distance and the largest |a - b| / (|b| + rms(b)). */
typedef struct Distance {
    double relative, element;
    int64_t where; /* of the worst element */
} Distance;

Distance tensor_distance(const double *a, const double *b, int64_t n);

#endif
