/* Reading a run: each file is optional, and one that is there is right or ends the report. */
#include "report/run_record.h"

#include "base/check.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "report/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_BYTES_MAX = 1 << 28 };

/* A file of the folder: how it is read. */
typedef Status ReadRecord(RunRecord *run, const char *path);

const OptionText *option_texts(const Options *options, Arena *arena)
{
    OptionText *texts = arena_alloc(arena, OPTION_COUNT * sizeof *texts);
    Options plain = *options;
    plain.preset = NULL; /* a line of its own in a dump, which is no option */
    char *line = options_dump(&plain, arena);
    for (int id = 0; id < OPTION_COUNT; id++) {
        char *value = strchr(line, '='), *end = strchr(line, '\n');
        CHECK(value && end);
        *value = *end = 0;
        texts[id] = (OptionText){line, value + 1};
        line = end + 1;
    }
    return texts;
}

const char *run_class_name(const RunRecord *run, int number, Arena *arena)
{
    if (number < run->class_count && *run->classes[number].name)
        return run->classes[number].name;
    return arena_printf(arena, "class %d", number);
}

static Status read_options(RunRecord *run, const char *path)
{
    uint8_t *bytes;
    size_t size;
    TRY(file_read(path, RECORD_BYTES_MAX, &bytes, &size));
    Status status = options_read(&run->options, path, (const char *)bytes);
    /* Before there was a choice it was always by the test images. */
    bool chose = strstr((const char *)bytes, "\nselect=") != NULL;
    free(bytes);
    run->select = chose ? options_select(&run->options) : SELECT_TEST;
    if (status == STATUS_OK)
        run->texts = option_texts(&run->options, &run->arena);
    return status;
}

static Status read_epochs(RunRecord *run, const char *path)
{
    Csv csv;
    TRY(csv_read(&run->arena, path, true, &csv));
    if (csv.rows == 0)
        return STATUS_OK;
    int epoch;
    TRY(csv_need(&csv, "epoch", &epoch));
    run->epochs = arena_alloc(&run->arena, (size_t)csv.rows * sizeof *run->epochs);
    for (int64_t i = 0; i < csv.rows; i++) {
        EpochRow *row = &run->epochs[i];
        int64_t number;
        int64_t least = i ? run->epochs[i - 1].epoch + 2 : 1;
        TRY(csv_integer(&csv, i, epoch, least, INT32_MAX, 0, &number));
        if (number == 0)
            return csv_fail(&csv, i, epoch, "is empty");
        row->epoch = (int)number - 1;
#define X(field, tag) TRY(csv_number(&csv, i, csv_column(&csv, #field), &row->field));
        EPOCH_ROW_FIELDS(X)
#undef X
    }
    run->epoch_count = csv.rows;
    return STATUS_OK;
}

static Status read_class(RunRecord *run, const Csv *csv, int64_t i, const int column[5])
{
    ClassRecord *c = &run->classes[i];
    int64_t number;
    TRY(csv_integer(csv, i, column[0], i, i, -1, &number));
    c->name = csv_text(csv, i, column[1]);
    TRY(csv_integer(csv, i, column[2], 0, INT32_MAX, -1, &c->train));
    TRY(csv_integer(csv, i, column[3], 0, INT32_MAX, 0, &c->test));
    return csv_integer(csv, i, column[4], 0, c->test, 0, &c->correct);
}

static Status read_classes(RunRecord *run, const char *path)
{
    static const char *const names[5] = {"class", "name", "train_images", "test_images", "correct"};
    Csv csv;
    int column[5];
    TRY(csv_read(&run->arena, path, false, &csv));
    for (int i = 0; i < 5; i++)
        TRY(csv_need(&csv, names[i], &column[i]));
    if (csv.rows > DATASET_CLASSES_MAX)
        return status_fail(STATUS_INPUT, "%s: too many classes (%lld vs at most %d)", path,
                           (long long)csv.rows, DATASET_CLASSES_MAX);
    run->classes = arena_alloc(&run->arena, ((size_t)csv.rows + 1) * sizeof *run->classes);
    for (int64_t i = 0; i < csv.rows; i++)
        TRY(read_class(run, &csv, i, column));
    run->class_count = (int)csv.rows;
    return STATUS_OK;
}

/* Labels are below this. */
static int64_t last_class(const RunRecord *run)
{
    return run->class_count ? run->class_count - 1 : DATASET_CLASSES_MAX - 1;
}

static Status read_label(const RunRecord *run, const Csv *csv, int64_t row, int column, int *out)
{
    int64_t value;
    TRY(csv_integer(csv, row, column, 0, last_class(run), -1, &value));
    if (value < 0)
        return csv_fail(csv, row, column, "is empty");
    *out = (int)value;
    return STATUS_OK;
}

static Status read_confusion(RunRecord *run, const char *path)
{
    Csv csv;
    int label, predicted, images;
    TRY(csv_read(&run->arena, path, false, &csv));
    TRY(csv_need(&csv, "true", &label));
    TRY(csv_need(&csv, "predicted", &predicted));
    TRY(csv_need(&csv, "images", &images));
    run->confusion = arena_alloc(&run->arena, ((size_t)csv.rows + 1) * sizeof *run->confusion);
    for (int64_t i = 0; i < csv.rows; i++) {
        ConfusionRecord *pair = &run->confusion[i];
        TRY(read_label(run, &csv, i, label, &pair->label));
        TRY(read_label(run, &csv, i, predicted, &pair->predicted));
        TRY(csv_integer(&csv, i, images, 0, INT32_MAX, 0, &pair->images));
    }
    run->pair_count = csv.rows;
    return STATUS_OK;
}

static Status read_predictions(RunRecord *run, const char *path)
{
    Csv csv;
    int image, label, top1;
    TRY(csv_read(&run->arena, path, false, &csv));
    TRY(csv_need(&csv, "image", &image));
    TRY(csv_need(&csv, "label", &label));
    TRY(csv_need(&csv, "top1", &top1));
    int confidence = csv_column(&csv, "top1_p");
    run->predictions = arena_alloc(&run->arena, ((size_t)csv.rows + 1) * sizeof *run->predictions);
    for (int64_t i = 0; i < csv.rows; i++) {
        PredictionRecord *p = &run->predictions[i];
        p->image = csv_text(&csv, i, image);
        TRY(read_label(run, &csv, i, label, &p->label));
        TRY(read_label(run, &csv, i, top1, &p->top1));
        TRY(csv_number(&csv, i, confidence, &p->confidence));
        if (p->confidence < 0 || p->confidence > 1)
            return csv_fail(&csv, i, confidence, "no probability (%g)", p->confidence);
    }
    run->prediction_count = csv.rows;
    return STATUS_OK;
}

static Status read_report(RunRecord *run, const char *path)
{
    Json *root;
    TRY(json_read(&run->arena, path, &root));
    if (root->kind != JSON_OBJECT)
        return status_fail(STATUS_INPUT, "%s: is no object", path);
    run->report = root;
    Select told = select_of_word(json_text(json_get(root, "protocol"), "select", ""));
    if (told != SELECT_AUTO)
        run->select = told;
    return STATUS_OK;
}

/* In this order: classes say how many there are. */
static const struct {
    const char *name;
    ReadRecord *read;
} records[] = {
    {"options.txt", read_options}, {"metrics.csv", read_epochs},
    {"classes.csv", read_classes}, {"confusion.csv", read_confusion},
    {"report.json", read_report},  {"predictions.csv", read_predictions},
};

enum { RECORDS = sizeof records / sizeof *records };

static Status read_records(RunRecord *run)
{
    int found = 0;
    for (int i = 0; i < RECORDS; i++) {
        char *joined = file_join(run->name, records[i].name);
        const char *path = arena_printf(&run->arena, "%s", joined);
        free(joined);
        if (file_missing(path))
            continue;
        found++;
        TRY(records[i].read(run, path));
    }
    return found ? STATUS_OK
                 : status_fail(STATUS_IO,
                               "%s: no run: it has none of options.txt, metrics.csv, classes.csv, "
                               "confusion.csv, report.json, predictions.csv",
                               run->name);
}

/* What only a checkpoint knows. One that is missing or damaged is none of a report's business. */
static void ask_checkpoint(RunRecord *run)
{
    Checkpoint *checkpoint;
    char *path = file_join(run->name, "last.pth.tar");
    if (file_exists(path) && checkpoint_open(path, NULL, &checkpoint) == STATUS_OK) {
        const char *data = checkpoint_text(checkpoint, "openpaco/data");
        const char *arithmetic = checkpoint_text(checkpoint, "openpaco/arithmetic");
        run->train_data = data ? arena_printf(&run->arena, "%s", data) : NULL;
        run->arithmetic = arithmetic ? arena_printf(&run->arena, "%s", arithmetic) : NULL;
        checkpoint_close(checkpoint);
    }
    free(path);
}

Status run_record_read(const char *folder, RunRecord *out)
{
    *out = (RunRecord){0};
    options_init(&out->options);
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    out->name = arena_printf(&out->arena, "%.*s", (int)length, folder);
    if (!file_exists(folder))
        return status_fail(STATUS_IO, "%s: no such folder", folder);
    TRY(read_records(out));
    ask_checkpoint(out);
    return STATUS_OK;
}

void run_record_free(RunRecord *run)
{
    options_free(&run->options);
    arena_free(&run->arena);
    *run = (RunRecord){0};
}

/* ---- figures */

const FigureRow figure_rows[FIGURE_COUNT] = {
#define X(field, title, scale, decimals) {#field, title, scale, decimals},
    FIGURE_LIST(X)
#undef X
};

static double figure_of_epoch(const EpochRow *row, Figure figure)
{
    switch (figure) {
    case FIGURE_top1: return row->top1;
    case FIGURE_top5: return row->top5;
    case FIGURE_class_mean: return row->class_mean;
    case FIGURE_many: return row->many;
    case FIGURE_medium: return row->medium;
    case FIGURE_few: return row->few;
    case FIGURE_loss: return row->test_loss;
    case FIGURE_ece: /* no column of metrics.csv */
    case FIGURE_val_top1:
    case FIGURE_best:
    case FIGURE_COUNT: break;
    }
    return NAN;
}

/* What an epoch is chosen by: the higher the better; NaN: it is not. */
static double worth(const RunRecord *run, int64_t i)
{
    const EpochRow *row = &run->epochs[i];
    bool evaluated = !isnan(row->top1) || !isnan(row->val_top1);
    switch (run->select) {
    case SELECT_LAST: return evaluated ? row->epoch : NAN;
    case SELECT_VAL: return row->val_top1;
    case SELECT_TEST: return row->top1;
    case SELECT_AUTO: break;
    }
    return NAN;
}

static const EpochRow *best_row(const RunRecord *run)
{
    int64_t best = -1;
    for (int64_t i = 0; i < run->epoch_count; i++)
        if (!isnan(worth(run, i)) && (best < 0 || worth(run, i) > worth(run, best)))
            best = i;
    return best < 0 ? NULL : &run->epochs[best];
}

RunBest run_best(const RunRecord *run)
{
    const Json *told = json_get(run->report, "best");
    int64_t epoch = (int64_t)json_number(told, "epoch", 0);
    if (epoch > 0 && epoch <= INT32_MAX)
        return (RunBest){(int)epoch, json_number(told, "test_top1", NAN),
                         json_number(told, "val_top1", NAN)};
    const EpochRow *row = best_row(run);
    return row ? (RunBest){row->epoch + 1, row->top1, row->val_top1} : (RunBest){0, NAN, NAN};
}

/* Of the last epoch that has it; NaN: none has. */
static double last_val_top1(const RunRecord *run)
{
    for (int64_t i = run->epoch_count - 1; i >= 0; i--)
        if (!isnan(run->epochs[i].val_top1))
            return run->epochs[i].val_top1;
    return NAN;
}

double run_figure(const RunRecord *run, Figure figure)
{
    if (figure == FIGURE_val_top1) /* in the report it is that of the chosen epoch */
        return last_val_top1(run);
    if (figure == FIGURE_best)
        return run_best(run).top1;
    if (run->report)
        return json_number(run->report, figure_rows[figure].word, NAN);
    for (int64_t i = run->epoch_count - 1; i >= 0; i--)
        if (!isnan(run->epochs[i].top1))
            return figure_of_epoch(&run->epochs[i], figure);
    return NAN;
}
