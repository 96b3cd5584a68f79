/* Metrics: accuracies of an evaluation, and the files that report them.
 *
 * One record per test image is kept (label, loss, five best classes); everything else is computed
 * from these. Many, medium and few are the groups of data/shots.h; a group's accuracy is the mean
 * of its classes' accuracies, classes without test images left out. All accuracies are fractions;
 * NaN where nothing is counted. */
#ifndef PACO_TRAIN_METRICS_H
#define PACO_TRAIN_METRICS_H

#include "base/status.h"
#include "comm/comm.h"
#include "device/dtype.h"

#include <stdint.h>

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
/* Adds n images: logits[n][classes], labels[n], samples[n] (number of the image in its data set).
 * Equal logits rank by class number. STATUS_NAN, naming the image, where a logit is not finite. */
Status metrics_add(Metrics *metrics, const float *logits, const int32_t *labels,
                   const uint32_t *samples, int n);
/* Takes in what other processes added, in the order of samples, so that all know the same. */
void metrics_gather(Metrics *metrics, Comm *comm);
/* Mean cross-entropy of the images, summed in their order. */
double metrics_loss(const Metrics *metrics);
MetricsSummary metrics_summary(const Metrics *metrics);
/* "81.03 %", or "-" for NaN. Returns text. */
const char *metrics_percent(double fraction, char text[16]);

/* Each writes a whole file atomically (a temporary beside it, renamed).
 * classes.csv:     class,name,train_images,test_images,correct,accuracy
 * confusion.csv:   true,predicted,images for every pair that occurs
 * predictions.csv: image,label,top1,...,top5 in order of image; `name` gives the text of an image,
 * may be NULL, then its number is written. */
Status metrics_write_classes(const Metrics *metrics, const char *const *class_names,
                             const char *path);
Status metrics_write_confusion(const Metrics *metrics, const char *path);
Status metrics_write_predictions(const Metrics *metrics, const char *path,
                                 const char *(*name)(uint32_t image, void *context), void *context);
/* What report.json says besides: what was evaluated on what. */
typedef struct ReportFacts {
    const char *arch;
    DType storage;          /* of images and of weights in use */
    Math math;              /* of float32's products */
    const char *checkpoint; /* file or folder; NULL: the network as the run left it */
    const char *data;       /* list file or folder of the test images */
    uint64_t checksum;      /* of the test data */
    double loss;            /* mean cross-entropy */
    int64_t skipped;        /* unreadable test images, left out */
    int64_t train_skipped;  /* unreadable training images, replaced, over the run; -1: not known */
} ReportFacts;

/* report.json: the facts, the summary and per-class accuracies; what is unknown is null. */
Status metrics_write_report(const Metrics *metrics, const ReportFacts *facts, const char *path);

/* One row of metrics.csv, the record of a training run. NaN fields are written empty. */
#define EPOCH_ROW_FIELDS(X)                                                              \
    X(lr) X(loss) X(train_top1) X(train_top1_prior) X(test_loss) X(top1) X(top5) X(class_mean) X(many) X(medium) X(few)   \
    X(images_per_second) X(data_seconds) X(seconds) X(eval_seconds)

typedef struct EpochRow {
    int epoch; /* 0, 1, ...; the file counts from 1, as the log does */
#define X(field) double field;
    EPOCH_ROW_FIELDS(X)
#undef X
} EpochRow;

/* Appends a row, writing the header first where the file is new or empty; flushed to disk. */
Status metrics_append_epoch(const char *path, const EpochRow *row);
/* Drops every row of epoch >= `epoch` (before a run resumes there). A missing file is no error;
 * STATUS_INPUT where the file is no metrics file. */
Status metrics_truncate(const char *path, int epoch);

#endif
