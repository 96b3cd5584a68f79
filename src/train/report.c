/* The files of metrics.h. Whole files never show half of themselves (FileOutput); the record of a
 * run is appended to row by row. */
#include "base/arena.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/utf8.h"
#include "train/metrics.h"
#include "train/metrics_record.h"
#include "train/protocol.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUN_RECORD_MAX = 1 << 28 };

/* A CSV field (RFC 4180), quoted where it must be. Names come from outside: controls arrive as
 * \\xNN, and what a spreadsheet would compute stands behind an apostrophe, as such programs write
 * it themselves. */
static void put_field(FILE *file, const char *text)
{
    size_t room = 4 * strlen(text) + 2;
    char *clean = mem_alloc(room);
    utf8_clean(clean, room, text);
    bool formula = *text && strchr("=+-@\t\r", *text);
    bool quoted = formula || strpbrk(clean, ",\"") != NULL;
    if (quoted)
        fputc('"', file);
    if (formula)
        fputc('\'', file);
    for (const char *c = clean; *c; c++) {
        if (*c == '"')
            fputc('"', file);
        fputc(*c, file);
    }
    if (quoted)
        fputc('"', file);
    free(clean);
}

/* A number, or nothing where it is NaN. */
static void put_number(FILE *file, double value)
{
    if (!isnan(value))
        fprintf(file, "%.9g", value);
}

/* The name of class c; nothing where none are known (names NULL), or where there is none (-1). */
static void put_name(FILE *file, const char *const *names, int32_t c)
{
    if (names && c >= 0)
        put_field(file, names[c]);
}

/* Mean confidence of each class's test images, NaN where there are none; malloc'd. */
static double *confidences(const Metrics *m)
{
    double *mean = mem_zero((size_t)m->classes, sizeof *mean);
    for (int64_t i = 0; i < m->count; i++)
        mean[m->records[i].label] += m->records[i].p[0];
    for (int c = 0; c < m->classes; c++)
        mean[c] = m->tests[c] ? mean[c] / (double)m->tests[c] : NAN;
    return mean;
}

Status metrics_write_classes(const Metrics *m, const char *const *class_names, const char *path)
{
    FileOutput out;
    TRY(file_output_open(&out, path));
    double *confidence = confidences(m);
    fputs("class,name,train_images,test_images,correct,accuracy,confidence\n", out.file);
    for (int c = 0; c < m->classes; c++) {
        fprintf(out.file, "%d,", c);
        put_name(out.file, class_names, c);
        fputc(',', out.file);
        if (m->train_counts)
            fprintf(out.file, "%lld", (long long)m->train_counts[c]);
        fprintf(out.file, ",%lld,%lld,", (long long)m->tests[c], (long long)m->correct[c]);
        put_number(out.file, m->tests[c] ? (double)m->correct[c] / (double)m->tests[c] : NAN);
        fputc(',', out.file);
        put_number(out.file, confidence[c]);
        fputc('\n', out.file);
    }
    free(confidence);
    return file_output_close(&out);
}

static int by_value(const void *a, const void *b)
{
    uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return (p > q) - (p < q);
}

Status metrics_write_confusion(const Metrics *m, const char *const *class_names, const char *path)
{
    FileOutput out;
    TRY(file_output_open(&out, path));
    uint64_t *pairs = mem_alloc(((size_t)m->count + 1) * sizeof *pairs);
    for (int64_t i = 0; i < m->count; i++)
        pairs[i] = (uint64_t)m->records[i].label << 32 | (uint32_t)m->records[i].top[0];
    qsort(pairs, (size_t)m->count, sizeof *pairs, by_value);
    fputs("true,predicted,images,true_name,predicted_name\n", out.file);
    for (int64_t i = 0, next; i < m->count; i = next) {
        int32_t label = (int32_t)(pairs[i] >> 32), predicted = (int32_t)(uint32_t)pairs[i];
        for (next = i + 1; next < m->count && pairs[next] == pairs[i];)
            next++;
        fprintf(out.file, "%d,%d,%lld,", label, predicted, (long long)(next - i));
        put_name(out.file, class_names, label);
        fputc(',', out.file);
        put_name(out.file, class_names, predicted);
        fputc('\n', out.file);
    }
    free(pairs);
    return file_output_close(&out);
}

static int by_sample(const void *a, const void *b)
{
    const MetricsRecord *p = *(const MetricsRecord *const *)a;
    const MetricsRecord *q = *(const MetricsRecord *const *)b;
    return (p->sample > q->sample) - (p->sample < q->sample);
}

static void put_prediction(FILE *file, const MetricsRecord *r, const PredictionNames *names)
{
    if (names->image)
        put_field(file, names->image(r->sample, names->context));
    else
        fprintf(file, "%u", r->sample);
    if (!names->unlabelled)
        fprintf(file, ",%d", r->label);
    for (int k = 0; k < METRICS_TOP; k++) {
        fputc(',', file);
        if (r->top[k] >= 0)
            fprintf(file, "%d", r->top[k]);
    }
    if (!names->unlabelled) {
        fputc(',', file);
        put_name(file, names->classes, r->label);
    }
    for (int k = 0; k < METRICS_TOP; k++) {
        fputc(',', file);
        put_name(file, names->classes, r->top[k]);
    }
    for (int k = 0; k < METRICS_TOP; k++) {
        fputc(',', file);
        if (r->top[k] >= 0)
            fprintf(file, "%.6f", r->p[k]);
    }
    fputc('\n', file);
}

void metrics_put_predictions(const Metrics *m, const PredictionNames *names, FILE *file)
{
    static const char *const columns[] = {"", "_name", "_p"};
    const MetricsRecord **order = mem_alloc(((size_t)m->count + 1) * sizeof *order);
    for (int64_t i = 0; i < m->count; i++)
        order[i] = &m->records[i];
    qsort(order, (size_t)m->count, sizeof *order, by_sample);
    fputs(names->unlabelled ? "image" : "image,label", file);
    for (int f = 0; f < 3; f++) {
        if (f == 1 && !names->unlabelled)
            fputs(",label_name", file);
        for (int k = 1; k <= METRICS_TOP; k++)
            fprintf(file, ",top%d%s", k, columns[f]);
    }
    fputc('\n', file);
    for (int64_t i = 0; i < m->count; i++)
        put_prediction(file, order[i], names);
    free(order);
}

Status metrics_write_predictions(const Metrics *m, const PredictionNames *names, const char *path)
{
    FileOutput out;
    TRY(file_output_open(&out, path));
    metrics_put_predictions(m, names, out.file);
    return file_output_close(&out);
}

static void put_facts(JsonWriter *w, const ReportFacts *facts)
{
    char checksum[17];
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)facts->checksum);
    json_put_text(w, "architecture", facts->arch);
    json_put_text(w, "amp", dtype_word(facts->storage));
    json_put_text(w, "math", math_word(facts->math));
    json_put_text(w, "checkpoint", facts->checkpoint);
    json_put_text(w, "choice", facts->choice);
    json_put_text(w, "tta", facts->tta);
    json_put_text(w, "data", facts->data);
    json_put_text(w, "checksum", facts->data ? checksum : NULL);
    json_put_integer(w, "skipped", facts->skipped);
    if (facts->train_skipped < 0)
        json_put_null(w, "train_skipped");
    else
        json_put_integer(w, "train_skipped", facts->train_skipped);
    json_put_number(w, "loss", facts->loss, 17);
}

static void put_calibration(JsonWriter *w, const MetricsCalibration *c)
{
    json_put_number(w, "ece", c->ece, 17);
    json_begin_array(w, "ece_bins", JSON_LINES);
    for (int b = 0; b < METRICS_BINS; b++) {
        json_begin_object(w, NULL, JSON_LINE);
        json_put_integer(w, "count", c->bins[b].count);
        json_put_number(w, "confidence", c->bins[b].confidence, 17);
        json_put_number(w, "accuracy", c->bins[b].accuracy, 17);
        json_end(w);
    }
    json_end(w);
}

static void put_figures(JsonWriter *w, const MetricsSummary *s)
{
    json_put_number(w, "top1", s->top1, 17);
    json_put_number(w, "top5", s->top5, 17);
    json_put_number(w, "class_mean", s->class_mean, 17);
    json_put_number(w, "balanced_accuracy", s->class_mean, 17);
    json_put_number(w, "many", s->many, 17);
    json_put_number(w, "medium", s->medium, 17);
    json_put_number(w, "few", s->few, 17);
}

/* What the last epoch came to. */
static void put_final(JsonWriter *w, const ReportFacts *facts, const MetricsSummary *s)
{
    json_begin_object(w, "final", JSON_LINES);
    json_put_integer(w, "epoch", facts->run->epochs);
    json_put_number(w, "loss", facts->loss, 17);
    put_figures(w, s);
    json_end(w);
}

Status metrics_write_report(const Metrics *m, const ReportFacts *facts, const char *path)
{
    FileOutput out;
    MetricsSummary s = metrics_summary(m);
    MetricsCalibration calibration = metrics_calibration(m);
    TRY(file_output_open(&out, path));
    JsonWriter w = {.file = out.file, .indent = 2};
    json_begin_object(&w, NULL, JSON_LINES);
    put_facts(&w, facts);
    if (facts->run) {
        provenance_put(&w, facts->run);
        put_final(&w, facts, &s);
    }
    json_put_integer(&w, "images", s.images);
    put_figures(&w, &s);
    json_put_integer(&w, "many_classes", s.many_classes);
    json_put_integer(&w, "medium_classes", s.medium_classes);
    json_put_integer(&w, "few_classes", s.few_classes);
    json_put_number(&w, "nll", metrics_loss(m), 17);
    if (facts->protocol)
        protocol_put(facts->protocol, &w);
    put_calibration(&w, &calibration);
    json_begin_array(&w, "class_accuracy", JSON_LINE);
    for (int c = 0; c < m->classes; c++)
        if (m->tests[c])
            json_put_number(&w, NULL, (double)m->correct[c] / (double)m->tests[c], 9);
        else
            json_put_null(&w, NULL);
    json_end(&w);
    json_end(&w);
    fputc('\n', out.file);
    return file_output_close(&out);
}

/* ---- the record of a run ---- */

static const char run_header[] = "epoch"
#define X(field, tag) "," #field
    EPOCH_ROW_FIELDS(X)
#undef X
    "\n";

Status metrics_append_epoch(const char *path, const EpochRow *row)
{
    FILE *file = fopen(path, "a");
    if (!file)
        return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    if (ftell(file) == 0)
        fputs(run_header, file);
    fprintf(file, "%d", row->epoch + 1);
#define X(field, tag) fputc(',', file), put_number(file, row->field);
    EPOCH_ROW_FIELDS(X)
#undef X
    fputc('\n', file);
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    int error = errno;
    if (fclose(file) != 0 || !good)
        return status_fail(STATUS_IO, "%s: cannot write: %s", path, strerror(error));
    return STATUS_OK;
}

static const char step_header[] = "step,epoch"
#define X(field) "," #field
    STEP_ROW_FIELDS(X)
#undef X
    "\n";

void metrics_put_step_header(FILE *file)
{
    fseek(file, 0, SEEK_END);
    if (ftell(file) == 0)
        fputs(step_header, file);
}

void metrics_put_step(FILE *file, const StepRow *row)
{
    fprintf(file, "%lld,%d", (long long)row->step, row->epoch + 1);
#define X(field) fputc(',', file), put_number(file, row->field);
    STEP_ROW_FIELDS(X)
#undef X
    fputc('\n', file);
}

/* Length of the header of text: `header`, or that of a version before, which had not all columns
 * yet; 0: it is none. */
static size_t header_length(const char *text, const char *header)
{
    size_t n = strcspn(text, "\n");
    bool whole = text[n] && n > 0 && strncmp(text, header, n) == 0;
    return whole && strchr(",\n", header[n]) ? n + 1 : 0;
}

/* Length of what to keep of text: the header and the whole rows whose first number is at most
 * `last`. A row cut short by a crash (no line end) is dropped. */
static Status kept_length(const char *path, const char *text, const char *header, int64_t last,
                          size_t *length)
{
    *length = header_length(text, header);
    if (!*length)
        return status_fail(STATUS_INPUT,
                           "%s: line 1: not the header of a metrics file of this version", path);
    for (long long number = 2;; number++) {
        const char *line = text + *length, *end = strchr(line, '\n');
        char *after;
        if (!end)
            return STATUS_OK;
        long long row = strtoll(line, &after, 10);
        if (after == line || *after != ',' || row < 1)
            return status_fail(STATUS_INPUT, "%s: line %lld: no %.*s at its start", path, number,
                               (int)strcspn(header, ","), header);
        if (row > last)
            return STATUS_OK;
        *length = (size_t)(end + 1 - text);
    }
}

/* The header, and the kept rows with what they lack of it. */
static void put_kept(const char *text, const char *header, size_t length, FILE *file)
{
    const char *line = text + header_length(text, header), *end = text + length;
    int missing = 0; /* columns of the rows */
    for (const char *c = header + (line - text) - 1; *c; c++)
        missing += *c == ',';
    fputs(header, file);
    for (size_t n; line < end; line += n + 1) {
        n = strcspn(line, "\n");
        fwrite(line, 1, n, file);
        for (int i = 0; i < missing; i++)
            fputc(',', file);
        fputc('\n', file);
    }
}

static Status truncate_rows(const char *path, const char *header, int64_t last)
{
    uint8_t *bytes;
    size_t size, length = 0;
    FileOutput out;
    if (!file_exists(path))
        return STATUS_OK;
    TRY(file_read(path, RUN_RECORD_MAX, &bytes, &size));
    Status status = size ? kept_length(path, (char *)bytes, header, last, &length) : STATUS_OK;
    bool older = size && header_length((char *)bytes, header) < strlen(header);
    if (status == STATUS_OK && size && (length < size || older) &&
        (status = file_output_open(&out, path)) == STATUS_OK) {
        put_kept((char *)bytes, header, length, out.file);
        status = file_output_close(&out);
    }
    free(bytes);
    return status;
}

Status metrics_truncate(const char *path, int epoch)
{
    return truncate_rows(path, run_header, epoch);
}

Status metrics_truncate_steps(const char *path, int64_t step)
{
    return truncate_rows(path, step_header, step);
}
