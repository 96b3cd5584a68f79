/* Metrics: accuracies of an evaluation, and the files that report them.
 *
 * One record per test image is kept (label, loss, five best classes and their probabilities);
 * everything else is computed from these. Many, medium and few are the groups of data/shots.h; a
 * group's accuracy is the mean of its classes' accuracies, classes without test images left out.
 * All accuracies are fractions; NaN where nothing is counted. */
#ifndef PACO_TRAIN_METRICS_H
#define PACO_TRAIN_METRICS_H

#include "base/status.h"
#include "comm/comm.h"
#include "device/dtype.h"
#include "state/progress.h"
#include "train/provenance.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { METRICS_TOP = 5 };

typedef struct Metrics Metrics;

typedef struct MetricsSummary {
    int64_t images;
    double top1, top5;         /* over images */
    double class_mean;         /* mean of the classes' top-1 accuracies */
    double many, medium, few;  /* means of the classes' accuracies within a group */
    int many_classes, medium_classes, few_classes; /* classes with test images in each group */
} MetricsSummary;

/* train_counts[classes]: training images per class; NULL when unknown (the groups are NaN then). */
Metrics *metrics_new(int classes, const int64_t *train_counts);
void metrics_free(Metrics *metrics);
/* STATUS_NAN, naming the image, where one of logits[n][classes] is not finite. */
Status metrics_check(const float *logits, int classes, const uint32_t *samples, int n);
/* Log of the sum of exp over one image's logits[classes]: a logit less it is a log probability. */
double metrics_log_sum(const float *logits, int classes);
/* Adds n images: logits[n][classes], labels[n], samples[n] (number of the image in its data set).
 * Equal logits rank by class number. Fails as metrics_check does, and then adds none. */
Status metrics_add(Metrics *metrics, const float *logits, const int32_t *labels,
                   const uint32_t *samples, int n);
/* Takes in what other processes added, in the order of samples, so that all know the same. */
void metrics_gather(Metrics *metrics, Comm *comm);
/* Mean cross-entropy of the images, summed in their order. */
double metrics_loss(const Metrics *metrics);
MetricsSummary metrics_summary(const Metrics *metrics);

/* Whether confidence, the probability of the best class, is what accuracy then is (Guo et al.,
 * 2017): bin b of METRICS_BINS holds the images whose confidence is above b / METRICS_BINS and at
 * most (b + 1) / METRICS_BINS. */
enum { METRICS_BINS = 15 };

typedef struct MetricsBin {
    int64_t count;               /* images */
    double confidence, accuracy; /* means over them; NaN where there are none */
} MetricsBin;

typedef struct MetricsCalibration {
    double ece; /* |accuracy - confidence| of the bins, weighted by their images; NaN without any */
    MetricsBin bins[METRICS_BINS];
} MetricsCalibration;

MetricsCalibration metrics_calibration(const Metrics *metrics);
/* "81.03 %", or "-" for NaN. Returns text. */
const char *metrics_percent(double fraction, char text[16]);

/* Each writes a whole file atomically (a temporary beside it, renamed). Names of classes are empty
 * where class_names is NULL.
 * classes.csv:     class,name,train_images,test_images,correct,accuracy,confidence, which is the
 *                  mean probability of the best class over the class's test images
 * confusion.csv:   true,predicted,images,true_name,predicted_name for every pair that occurs */
Status metrics_write_classes(const Metrics *metrics, const char *const *class_names,
                             const char *path);
Status metrics_write_confusion(const Metrics *metrics, const char *const *class_names,
                               const char *path);

/* How images and classes are called in a list of predictions. */
typedef struct PredictionNames {
    const char *(*image)(uint32_t image, void *context); /* NULL: by their numbers */
    void *context;
    const char *const *classes;                          /* NULL: not known */
    bool unlabelled; /* the labels are made up: neither they nor their names are written */
} PredictionNames;

/* predictions.csv: image,label,top1,...,top5,label_name,top1_name,...,top5_name,top1_p,...,top5_p
 * in order of image; the last five are probabilities, with 6 decimals. */
void metrics_put_predictions(const Metrics *metrics, const PredictionNames *names, FILE *file);
Status metrics_write_predictions(const Metrics *metrics, const PredictionNames *names,
                                 const char *path);
/* protocol.h: how a run was trained, judged and chosen. */
typedef struct Protocol Protocol;

/* What report.json says besides: what was evaluated on what. */
typedef struct ReportFacts {
    const char *arch;
    DType storage;          /* of images and of weights in use */
    Math math;              /* of float32's products */
    const char *checkpoint; /* file or folder; NULL: the network as the run left it */
    const char *choice;     /* what the checkpoint is to its run's folder; NULL: a file was named */
    const char *tta;        /* word of --tta */
    const char *data;       /* list file or folder of the test images; NULL: there are none */
    uint64_t checksum;      /* of the test data */
    double loss;            /* mean cross-entropy */
    int64_t skipped;        /* unreadable test images, left out */
    int64_t train_skipped;  /* unreadable training images, replaced, over the run; -1: not known */
    const RunFacts *run;    /* that ends with this evaluation; NULL: none does */
    const Protocol *protocol; /* of a training run; NULL: this is none */
} ReportFacts;

/* report.json: the facts, the summary and per-class accuracies; what is unknown is null. Of a run
 * that ends, "run" says how it came about, "final" what its last epoch came to. */
Status metrics_write_report(const Metrics *metrics, const ReportFacts *facts, const char *path);

/* One row of metrics.csv, the record of a training run: column, and tag in TensorBoard. NaN fields
 * are written empty. */
#define EPOCH_ROW_FIELDS(X)                       \
    X(lr, "lr")                                   \
    X(loss, "train/loss")                         \
    X(train_top1, "train/top1")                   \
    X(train_top1_prior, "train/top1_prior")       \
    TEST_FIGURES(X)                               \
    X(images_per_second, "images_per_second")     \
    X(data_seconds, "seconds/waited_for_data")    \
    X(seconds, "seconds/training")                \
    X(eval_seconds, "seconds/evaluation")         \
    VAL_FIGURES(X)

typedef struct EpochRow {
    int epoch; /* 0, 1, ...; the file counts from 1, as the log does */
#define X(field, tag) double field;
    EPOCH_ROW_FIELDS(X)
#undef X
} EpochRow;

/* Appends a row, writing the header first where the file is new or empty; flushed to disk. */
Status metrics_append_epoch(const char *path, const EpochRow *row);
/* Drops every row of epoch >= `epoch` (before a run resumes there). The header of an earlier
 * version gets the columns that came behind its own, empty in its rows. A missing file is no error;
 * STATUS_INPUT where the file is no metrics file. */
Status metrics_truncate(const char *path, int epoch);

/* One row of steps.csv, of a single step; mean_: of its epoch so far. NaN fields are written empty.
 */
#define STEP_ROW_FIELDS(X) X(lr) X(loss) X(top1) X(mean_loss) X(mean_top1) X(loss_scale)

typedef struct StepRow {
    int64_t step; /* of the run, from 1 */
    int epoch;    /* 0, 1, ...; the file counts from 1 */
#define X(field) double field;
    STEP_ROW_FIELDS(X)
#undef X
} StepRow;

/* Writes the header of steps.csv where the file is empty, and a row. */
void metrics_put_step_header(FILE *file);
void metrics_put_step(FILE *file, const StepRow *row);
/* As metrics_truncate: drops the rows of steps behind `step`. */
Status metrics_truncate_steps(const char *path, int64_t step);

#endif
