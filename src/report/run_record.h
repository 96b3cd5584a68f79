/* A run as its folder tells it: what `paco train --out` and `paco eval --out` left there, read for
 * reports. What is not there is empty; nothing here changes a folder. */
#ifndef PACO_REPORT_RUN_RECORD_H
#define PACO_REPORT_RUN_RECORD_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "options/options.h"
#include "train/metrics.h"

#include <stdbool.h>
#include <stdint.h>

/* A line of classes.csv; its number is the class. */
typedef struct ClassRecord {
    const char *name;      /* "" when unknown */
    int64_t train;         /* training images; -1: not known */
    int64_t test, correct; /* test images */
} ClassRecord;

typedef struct ConfusionRecord {
    int label, predicted;
    int64_t images;
} ConfusionRecord;

typedef struct PredictionRecord {
    const char *image;
    int label, top1;
    double confidence; /* of top1; NaN when unknown */
} PredictionRecord;

/* An option as text, as `paco train --NAME VALUE` takes it. */
typedef struct OptionText {
    const char *name, *value;
} OptionText;

typedef struct RunRecord {
    const char *name;       /* the folder as it was given, without slashes at its end */
    Options options;        /* the defaults where there are none */
    Select select;          /* what chose the best checkpoint; SELECT_AUTO: not known */
    const OptionText *texts; /* [OPTION_COUNT]; NULL: the folder has no options */
    EpochRow *epochs;       /* [epoch_count]; a field that the file lacks is NaN */
    int64_t epoch_count;
    ClassRecord *classes;   /* [class_count] */
    int class_count;
    ConfusionRecord *confusion; /* [pair_count] */
    int64_t pair_count;
    PredictionRecord *predictions; /* [prediction_count] */
    int64_t prediction_count;
    const Json *report;     /* report.json, or NULL */
    const char *train_data, *arithmetic; /* what the newest checkpoint says, or NULL */
    Arena arena;            /* owns all but the options' texts */
} RunRecord;

/* STATUS_IO where the folder is none or has no file of a run; STATUS_INPUT, with file and line,
 * where one is malformed. run_record_free in any case. */
Status run_record_read(const char *folder, RunRecord *out);
void run_record_free(RunRecord *run);

/* All options as text, by OptionId, in the arena. */
const OptionText *option_texts(const Options *options, Arena *arena);
/* The name of a class, or "class 7" where it has none; in the arena. */
const char *run_class_name(const RunRecord *run, int number, Arena *arena);

/* X(field, title, scale, decimals): the numbers that runs are compared by. They are shown times
 * `scale`. */
#define FIGURE_LIST(X)                                                                             \
    X(top1, "top-1 %", 100, 2)                                                              \
    X(best, "selected top-1 %", 100, 2)                                                         \
    X(val_top1, "validation top-1 %", 100, 2)                                               \
    X(top5, "top-5 %", 100, 2)                                                              \
    X(class_mean, "balanced %", 100, 2)                                                     \
    X(many, "many %", 100, 2)                                                               \
    X(medium, "medium %", 100, 2)                                                           \
    X(few, "few %", 100, 2)                                                                 \
    X(ece, "ECE %", 100, 2)                                                                        \
    X(loss, "test loss", 1, 4)

typedef enum Figure {
#define X(field, title, scale, decimals) FIGURE_##field,
    FIGURE_LIST(X)
#undef X
    FIGURE_COUNT
} Figure;

typedef struct FigureRow {
    const char *word, *title;
    double scale;
    int decimals;
} FigureRow;

extern const FigureRow figure_rows[FIGURE_COUNT];

/* The number at the end of a run: report.json's, else that of the last epoch that was evaluated;
 * `best` is the test top-1 of the epoch that --select chose. Unscaled; NaN when unknown. */
double run_figure(const RunRecord *run, Figure figure);
/* The epoch that --select chose, as report.json says, else metrics.csv. */
typedef struct RunBest {
    int epoch;             /* from 1; 0: not known */
    double top1, val_top1; /* NaN: not known */
} RunBest;

RunBest run_best(const RunRecord *run);

#endif
