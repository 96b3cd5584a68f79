/* Accuracies, computed from one record per test image. */
#include "train/metrics.h"

#include "base/arena.h"
#include "base/check.h"
#include "data/shots.h"
#include "train/metrics_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Metrics *metrics_new(int classes, const int64_t *train_counts)
{
    CHECK(classes >= 1);
    Metrics *m = mem_zero(1, sizeof *m);
    size_t bytes = (size_t)classes * sizeof *m->tests;
    m->classes = classes;
    m->tests = mem_zero(1, bytes);
    m->correct = mem_zero(1, bytes);
    if (train_counts) {
        m->train_counts = mem_alloc(bytes);
        memcpy(m->train_counts, train_counts, bytes);
    }
    return m;
}

void metrics_free(Metrics *m)
{
    if (!m)
        return;
    free(m->records);
    free(m->correct);
    free(m->tests);
    free(m->train_counts);
    free(m);
}

/* The METRICS_TOP largest of logits[classes] by insertion; the first of equals ranks higher. */
static void find_top(const float *logits, int classes, int32_t top[METRICS_TOP])
{
    int have = 0;
    for (int c = 0; c < classes; c++) {
        int at = have;
        while (at > 0 && logits[c] > logits[top[at - 1]])
            at--;
        if (at == METRICS_TOP)
            continue;
        if (have < METRICS_TOP)
            have++;
        for (int i = have - 1; i > at; i--)
            top[i] = top[i - 1];
        top[at] = c;
    }
    while (have < METRICS_TOP)
        top[have++] = -1;
}

double metrics_log_sum(const float *logits, int classes)
{
    double most = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++)
        most = fmax(most, logits[c]);
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] - most);
    return log(sum) + most;
}

static MetricsRecord *new_record(Metrics *m)
{
    if (m->count == m->room) {
        m->room = m->room ? 2 * m->room : 1024;
        m->records = mem_grow(m->records, (size_t)m->room * sizeof *m->records);
    }
    return &m->records[m->count++];
}

static void count_record(Metrics *m, const MetricsRecord *r)
{
    m->tests[r->label]++;
    m->correct[r->label] += r->top[0] == r->label;
}

Status metrics_check(const float *logits, int classes, const uint32_t *samples, int n)
{
    for (int i = 0; i < n; i++)
        for (int c = 0; c < classes; c++) {
            double logit = logits[(size_t)i * (size_t)classes + (size_t)c];
            if (!isfinite(logit))
                return status_fail(STATUS_NAN, "evaluation: image %u: the logit of class %d is %g",
                                   samples[i], c, logit);
        }
    return STATUS_OK;
}

Status metrics_add(Metrics *m, const float *logits, const int32_t *labels, const uint32_t *samples,
                   int n)
{
    TRY(metrics_check(logits, m->classes, samples, n));
    for (int i = 0; i < n; i++) {
        const float *row = logits + (size_t)i * (size_t)m->classes;
        CHECKF(labels[i] >= 0 && labels[i] < m->classes, "label %d", labels[i]);
        double log_sum = metrics_log_sum(row, m->classes);
        MetricsRecord *r = new_record(m);
        memset(r, 0, sizeof *r); /* its bytes travel */
        r->sample = samples[i];
        r->label = labels[i];
        r->loss = log_sum - row[labels[i]];
        find_top(row, m->classes, r->top);
        for (int k = 0; k < METRICS_TOP && r->top[k] >= 0; k++)
            r->p[k] = exp(row[r->top[k]] - log_sum);
        count_record(m, r);
    }
    return STATUS_OK;
}

static int by_sample(const void *a, const void *b)
{
    const MetricsRecord *p = a, *q = b;
    return (p->sample > q->sample) - (p->sample < q->sample);
}

void metrics_gather(Metrics *m, Comm *comm)
{
    int count = comm_count(comm), own = comm_index(comm);
    int64_t *counts = mem_zero((size_t)count, sizeof *counts), most = 0;
    counts[own] = m->count;
    comm_gather(comm, counts, sizeof *counts);
    for (int p = 0; p < count; p++)
        most = counts[p] > most ? counts[p] : most;
    MetricsRecord *all = mem_zero((size_t)(count * most), sizeof *all);
    for (int64_t i = 0; i < m->count; i++)
        all[own * most + i] = m->records[i];
    comm_gather(comm, all, (size_t)most * sizeof *all);
    for (int p = 0; p < count; p++)
        for (int64_t i = 0; i < counts[p] && p != own; i++) {
            *new_record(m) = all[p * most + i];
            count_record(m, &all[p * most + i]);
        }
    if (m->count)
        qsort(m->records, (size_t)m->count, sizeof *m->records, by_sample);
    free(all);
    free(counts);
}

double metrics_loss(const Metrics *m)
{
    double sum = 0;
    for (int64_t i = 0; i < m->count; i++)
        sum += m->records[i].loss;
    return sum / (double)m->count;
}

/* A mean that is NaN over nothing. */
typedef struct Mean {
    double sum;
    int n;
} Mean;

static void mean_add(Mean *mean, double value)
{
    mean->sum += value;
    mean->n++;
}

static double mean_of(const Mean *mean)
{
    return mean->n ? mean->sum / mean->n : NAN;
}

static void count_top(const Metrics *m, MetricsSummary *s)
{
    int64_t best = 0, among = 0;
    for (int64_t i = 0; i < m->count; i++) {
        const MetricsRecord *r = &m->records[i];
        best += r->top[0] == r->label;
        for (int k = 0; k < METRICS_TOP; k++)
            among += r->top[k] == r->label;
    }
    s->images = m->count;
    s->top1 = m->count ? (double)best / (double)m->count : NAN;
    s->top5 = m->count ? (double)among / (double)m->count : NAN;
}

MetricsSummary metrics_summary(const Metrics *m)
{
    MetricsSummary s = {0};
    Mean all = {0}, shots[SHOT_COUNT] = {{0}};
    count_top(m, &s);
    for (int c = 0; c < m->classes; c++) {
        if (m->tests[c] == 0)
            continue;
        double accuracy = (double)m->correct[c] / (double)m->tests[c];
        mean_add(&all, accuracy);
        if (m->train_counts)
            mean_add(&shots[shot_of(m->train_counts[c])], accuracy);
    }
    s.class_mean = mean_of(&all);
    s.many = mean_of(&shots[SHOT_MANY]);
    s.medium = mean_of(&shots[SHOT_MEDIUM]);
    s.few = mean_of(&shots[SHOT_FEW]);
    s.many_classes = shots[SHOT_MANY].n;
    s.medium_classes = shots[SHOT_MEDIUM].n;
    s.few_classes = shots[SHOT_FEW].n;
    return s;
}

MetricsCalibration metrics_calibration(const Metrics *m)
{
    MetricsCalibration c = {.ece = m->count ? 0 : NAN};
    double confidence[METRICS_BINS] = {0};
    int64_t right[METRICS_BINS] = {0};
    for (int64_t i = 0; i < m->count; i++) {
        const MetricsRecord *r = &m->records[i];
        int bin = (int)ceil(r->p[0] * METRICS_BINS) - 1; /* the best of all is above 0 */
        bin = bin < 0 ? 0 : bin;
        c.bins[bin].count++;
        confidence[bin] += r->p[0];
        right[bin] += r->top[0] == r->label;
    }
    for (int b = 0; b < METRICS_BINS; b++) {
        MetricsBin *bin = &c.bins[b];
        bin->confidence = bin->accuracy = NAN;
        if (bin->count == 0)
            continue;
        bin->confidence = confidence[b] / (double)bin->count;
        bin->accuracy = (double)right[b] / (double)bin->count;
        c.ece += fabs(confidence[b] - (double)right[b]) / (double)m->count;
    }
    return c;
}

const char *metrics_percent(double fraction, char text[16])
{
    if (isnan(fraction))
        return "-";
    snprintf(text, 16, "%.2f %%", 100 * fraction);
    return text;
}
