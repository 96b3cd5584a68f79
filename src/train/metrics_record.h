/* Private to src/train: the records behind Metrics, shared by metrics.c (figures) and report.c
 * (files). */
#ifndef PACO_TRAIN_METRICS_RECORD_H
#define PACO_TRAIN_METRICS_RECORD_H

#include "train/metrics.h"

typedef struct MetricsRecord {
    uint32_t sample;
    int32_t label;
    double loss;              /* cross-entropy */
    int32_t top[METRICS_TOP]; /* best classes, best first; -1 beyond the number of classes */
    double p[METRICS_TOP];    /* their probabilities */
} MetricsRecord;

struct Metrics {
    int classes;
    int64_t *train_counts; /* [classes], or NULL */
    int64_t *tests;        /* [classes] test images */
    int64_t *correct;      /* [classes] of them correct */
    MetricsRecord *records;
    int64_t count, room;
};

#endif
