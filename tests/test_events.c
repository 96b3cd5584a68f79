/* Event files for TensorBoard, read by a reader of the test's own: frames and their CRCs, steps,
 * tags and numbers; pictures and the table of options; what a second file voids; failures to write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "support_files.h"
#include "train/events.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- a reader of what a run writes */

typedef struct Bytes {
    const uint8_t *at;
    size_t size;
} Bytes;

/* A value of a summary. */
typedef struct Seen {
    char tag[64], plugin[16];
    float number;
    Bytes strings[4];
    int count; /* of them */
} Seen;

typedef struct SeenEvent {
    double time;
    int64_t step;
    Bytes version;
    bool start;
    Seen values[32];
    int count;
} SeenEvent;

enum { EVENTS_MAX = 64 };
typedef struct SeenFile {
    uint8_t *bytes;
    SeenEvent events[EVENTS_MAX];
    int count;
} SeenFile;

static uint64_t varint(Bytes *b)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        assert_true(b->size > 0 && shift < 64);
        uint8_t byte = *b->at++;
        b->size--;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
}

static Bytes cut(Bytes *b, size_t size)
{
    Bytes part = {b->at, size};
    assert_true(size <= b->size);
    b->at += size;
    b->size -= size;
    return part;
}

/* The next field of a message: its number, and its bytes, which may take the message's place, or
 * its integer. */
static int field(Bytes *b, Bytes *bytes, uint64_t *number)
{
    uint64_t key = varint(b);
    Bytes content = {0};
    *number = 0;
    switch (key & 7) {
    case 0: *number = varint(b); break;
    case 1: content = cut(b, 8); break;
    case 2: content = cut(b, varint(b)); break;
    case 5: content = cut(b, 4); break;
    default: fail_msg("wire type %d", (int)(key & 7));
    }
    *bytes = content;
    return (int)(key >> 3);
}

/* The bytes of a field within fields, such as 9, 1, 1; nothing where it is not there. */
static Bytes inner(Bytes b, int depth, const int *path)
{
    Bytes bytes;
    uint64_t number;
    while (b.size)
        if (field(&b, &bytes, &number) == *path)
            return depth == 1 ? bytes : inner(bytes, depth - 1, path + 1);
    return (Bytes){0};
}

static void copy_text(char *to, size_t room, Bytes from)
{
    assert_true(from.size < room);
    if (from.size)
        memcpy(to, from.at, from.size);
    to[from.size] = 0;
}

static void read_tensor(Bytes b, Seen *seen)
{
    uint64_t number, type = 0, size = 0;
    for (Bytes bytes; b.size;)
        switch (field(&b, &bytes, &number)) {
        case 1: type = number; break;
        case 2:
            assert_int_equal(field(&bytes, &bytes, &number), 2);
            assert_int_equal(field(&bytes, &bytes, &size), 1);
            break;
        case 8:
            assert_true(seen->count < 4);
            seen->strings[seen->count++] = bytes;
            break;
        default: fail_msg("a field of a tensor");
        }
    assert_int_equal(type, 7); /* strings */
    assert_int_equal(size, seen->count);
}

static void read_value(Bytes b, Seen *seen)
{
    uint64_t number;
    copy_text(seen->plugin, sizeof seen->plugin, inner(b, 3, (int[]){9, 1, 1}));
    for (Bytes bytes; b.size;)
        switch (field(&b, &bytes, &number)) {
        case 1: copy_text(seen->tag, sizeof seen->tag, bytes); break;
        case 2:
            assert_int_equal(bytes.size, 4);
            memcpy(&seen->number, bytes.at, 4);
            break;
        case 8: read_tensor(bytes, seen); break;
        case 9: break;
        default: fail_msg("a field of a value");
        }
}

static void read_event(Bytes b, SeenEvent *event)
{
    uint64_t number;
    for (Bytes bytes; b.size;)
        switch (field(&b, &bytes, &number)) {
        case 1: memcpy(&event->time, bytes.at, 8); break;
        case 2: event->step = (int64_t)number; break;
        case 3: event->version = bytes; break;
        case 5:
            for (Bytes value; bytes.size;) {
                assert_int_equal(field(&bytes, &value, &number), 1);
                read_value(value, &event->values[event->count++]);
            }
            break;
        case 7:
            assert_int_equal(field(&bytes, &bytes, &number), 1);
            event->start = number == 1;
            break;
        default: fail_msg("a field of an event");
        }
}

/* Bit by bit, as the polynomial is published. */
static uint32_t masked_crc(Bytes b)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < b.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            bool odd = (crc ^ (uint32_t)b.at[i] >> bit) & 1;
            crc = crc >> 1 ^ (odd ? 0x82f63b78 : 0);
        }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

static uint64_t little(Bytes b)
{
    uint64_t value = 0;
    for (size_t i = 0; i < b.size; i++)
        value |= (uint64_t)b.at[i] << (8 * i);
    return value;
}

/* All of a file; free its bytes. */
static void read_file(const char *path, SeenFile *seen)
{
    Bytes rest;
    memset(seen, 0, sizeof *seen);
    assert_int_equal(file_read(path, 1 << 24, &seen->bytes, &rest.size), STATUS_OK);
    for (rest.at = seen->bytes; rest.size; seen->count++) {
        Bytes length = cut(&rest, 8);
        assert_int_equal(little(cut(&rest, 4)), masked_crc(length));
        Bytes event = cut(&rest, little(length));
        assert_int_equal(little(cut(&rest, 4)), masked_crc(event));
        assert_true(seen->count < EVENTS_MAX);
        read_event(event, &seen->events[seen->count]);
    }
}

/* ---- runs */

/* Options of a run in a folder of the test's, and its training data. */
static Options options;
static Dataset *train, *test;

static void open_run(const char *name)
{
    static const char *args[] = {"--preset", "synthetic", "--out",       NULL,      "--tensorboard",
                                 "--epochs", "12",        "--init-from", "a|*b*<i>"};
    args[3] = test_path(name);
    assert_int_equal(mkdir(args[3], 0777), 0);
    assert_int_equal(
        options_parse(&options, OPTION_TRAIN, 0, sizeof args / sizeof *args, (char **)args),
        STATUS_OK);
    options_default_recipe(&options);
    assert_int_equal(options_open_data(&options, 0, NULL, &train, &test), STATUS_OK);
}

static int close_run(void **state)
{
    (void)state;
    dataset_close(train);
    dataset_close(test);
    options_free(&options);
    train = test = NULL;
    return 0;
}

static const char *find_newest(void)
{
    static char path[4096];
    struct dirent **names;
    int n = scandir(options.out, &names, NULL, alphasort);
    *path = 0;
    for (int i = 0; i < n; i++) {
        if (strncmp(names[i]->d_name, "events.out.tfevents.", 20) == 0)
            snprintf(path, sizeof path, "%s/%s", options.out, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    assert_true(*path);
    return path;
}

/* The value of a tag; NULL: the event has none. */
static const Seen *value_of(const SeenEvent *event, const char *tag)
{
    for (int i = 0; i < event->count; i++)
        if (strcmp(event->values[i].tag, tag) == 0)
            return &event->values[i];
    return NULL;
}

static void assert_number(const SeenEvent *event, const char *tag, double number)
{
    const Seen *seen = value_of(event, tag);
    if (!seen)
        fail_msg("no %s", tag);
    assert_string_equal(seen->plugin, "");
    if (seen->number != (float)number)
        fail_msg("%s: %g, not %g", tag, seen->number, number);
}

/* A picture whose PNG is as wide and high as it says. */
static void assert_picture(const SeenEvent *event, const char *tag, int width, int height)
{
    const Seen *seen = value_of(event, tag);
    char text[16];
    assert_true(seen && event->count == 1);
    assert_string_equal(seen->plugin, "images");
    assert_int_equal(seen->count, 3);
    copy_text(text, sizeof text, seen->strings[0]);
    assert_int_equal(atoi(text), width);
    copy_text(text, sizeof text, seen->strings[1]);
    assert_int_equal(atoi(text), height);
    Bytes png = seen->strings[2];
    assert_true(png.size > 33 && memcmp(png.at, "\x89PNG\r\n\x1a\n", 8) == 0);
    uint8_t head[8] = {0, 0, (uint8_t)(width >> 8),  (uint8_t)width,
                       0, 0, (uint8_t)(height >> 8), (uint8_t)height};
    assert_memory_equal(png.at + 16, head, 8);
}

static EpochRow row_of(int epoch)
{
    EpochRow row = {.epoch = epoch};
#define X(field, tag) row.field = NAN;
    EPOCH_ROW_FIELDS(X)
#undef X
    row.lr = 0.1 * (epoch + 1);
    row.loss = 3.25 - epoch;
    row.top1 = 0;
    return row;
}

/* Evaluation of so many classes: each of `classes` images is taken for the class after it. */
static Metrics *metrics_of(int classes)
{
    Metrics *m = metrics_new(classes, NULL);
    float *logits = mem_zero((size_t)classes, sizeof *logits);
    for (int i = 0; i < classes; i++) {
        int32_t label = i;
        uint32_t sample = (uint32_t)i;
        logits[(i + 1) % classes] = 1;
        assert_int_equal(metrics_add(m, logits, &label, &sample, 1), STATUS_OK);
        logits[(i + 1) % classes] = 0;
    }
    free(logits);
    return m;
}

static void a_run_is_told(void **state)
{
    (void)state;
    static SeenFile seen;
    Events *events;
    open_run("told");
    assert_int_equal(events_open(&options, train, 0, false, &events), STATUS_OK);
    EpochRow first = row_of(0), second = row_of(1);
    Metrics *few = metrics_of(3), *many = metrics_of(1000);
    assert_int_equal(events_epoch(events, &first, NULL), STATUS_OK);
    read_file(find_newest(), &seen); /* it is there before the run ends */
    assert_int_equal(seen.count, 5);
    free(seen.bytes);
    assert_int_equal(events_epoch(events, &second, few), STATUS_OK);
    assert_int_equal(events_epoch(events, &second, many), STATUS_OK);
    events_close(events);
    read_file(find_newest(), &seen);
    const SeenEvent *e = seen.events;
    assert_int_equal(seen.count, 9);
    assert_memory_equal(e[0].version.at, "brain.Event:2", 13);
    assert_int_equal(e[0].version.size, 13);
    assert_true(e[1].start && e[1].step == 0 && e[1].count == 0);
    assert_string_equal(e[2].values[0].tag, "options");
    assert_string_equal(e[2].values[0].plugin, "text");
    assert_picture(&e[3], "views", 4 * (32 + 4) + 4, 4 * (2 * 32 + 8) + 4);
    assert_int_equal(e[4].step, 1);
    assert_int_equal(e[4].count, 3); /* what is NaN is not there */
    assert_number(&e[4], "lr", 0.1);
    assert_number(&e[4], "train/loss", 3.25);
    assert_number(&e[4], "test/top1", 0);
    assert_int_equal(e[5].step, 2);
    assert_number(&e[5], "train/loss", 2.25);
    assert_int_equal(e[6].step, 2);
    assert_picture(&e[6], "test/confusion", 3 * 134, 3 * 134);
    assert_picture(&e[8], "test/confusion", 400, 400);
    for (int i = 1; i < seen.count; i++)
        assert_true(e[i].time >= e[i - 1].time && e[i].time > 1.7e9);
    free(seen.bytes);
    metrics_free(few);
    metrics_free(many);
}

/* Nothing in a table is mark-up. */
static void options_are_a_table(void **state)
{
    (void)state;
    static SeenFile seen;
    Events *events;
    open_run("table");
    assert_int_equal(events_open(&options, train, 0, false, &events), STATUS_OK);
    events_close(events);
    read_file(find_newest(), &seen);
    Bytes bytes = seen.events[2].values[0].strings[0];
    char *table = mem_alloc(bytes.size + 1);
    copy_text(table, bytes.size + 1, bytes);
    assert_ptr_equal(strstr(table, "| option | value |\n|---|---|\n"), table);
    assert_non_null(strstr(table, "\n| arch | resnet20 |\n"));
    assert_non_null(strstr(table, "\n| init-from | a&#124;&#42;b&#42;&#60;i&#62; |\n"));
    for (const char *line = table; *line; line = strchr(line, '\n') + 1) {
        int bars = 0;
        for (const char *c = line; *c != '\n'; c++)
            bars += *c == '|';
        assert_true(bars == 3 || strncmp(line, "|---|---|\n", 10) == 0);
    }
    free(table);
    free(seen.bytes);
}

/* A run that goes on begins a file that is read behind the others, and voids what it does again. */
static void files_follow_each_other(void **state)
{
    (void)state;
    static SeenFile seen;
    Events *events;
    char last[4096];
    open_run("follow");
    const struct {
        int epoch, count;
        bool changed;
    } starts[] = {{0, 4, false}, {3, 2, false}, {3, 3, true}, {0, 4, false}};
    for (int i = 0; i < 4; i++) {
        snprintf(last, sizeof last, "%s", i ? find_newest() : "");
        assert_int_equal(events_open(&options, train, starts[i].epoch, starts[i].changed, &events),
                         STATUS_OK);
        events_close(events);
        assert_true(strcmp(find_newest(), last) > 0);
        read_file(find_newest(), &seen);
        assert_int_equal(seen.count, starts[i].count);
        assert_true(seen.events[1].start);
        assert_int_equal(seen.events[1].step, starts[i].epoch ? starts[i].epoch + 1 : 0);
        free(seen.bytes);
    }
    /* Also where the clock was ahead. */
    snprintf(last, sizeof last, "%s/events.out.tfevents.9000000000.other.1.0", options.out);
    FILE *file = fopen(last, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(events_open(&options, train, 1, false, &events), STATUS_OK);
    events_close(events);
    assert_non_null(strstr(find_newest(), "/events.out.tfevents.9000000001."));
}

static void failures_are_told(void **state)
{
    (void)state;
    Events *events;
    open_run("full");
    assert_int_equal(events_open(&options, train, 0, false, &events), STATUS_OK);
    struct stat now;
    struct rlimit before, limit;
    assert_int_equal(stat(find_newest(), &now), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){(rlim_t)now.st_size + 10, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EpochRow row = row_of(0);
    Status status = events_epoch(events, &row, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(status_text(), "/events.out.tfevents."));
    assert_non_null(strstr(status_text(), ": cannot write: "));
    events_close(events);
    options.out = "/no/such/folder";
    assert_int_equal(events_open(&options, train, 0, false, &events), STATUS_IO);
    assert_non_null(strstr(status_text(), "/no/such/folder/events.out.tfevents."));
    events_close(events);
    events_close(NULL);
}

int main(void)
{
    Options o;
    const char *args[] = {"--preset", "synthetic", "--out", "x", "--tensorboard"};
    bool built = options_parse(&o, OPTION_TRAIN, 0, 5, (char **)args) == STATUS_OK;
    options_free(&o);
    if (!built) {
        puts("skipped: built without protobuf-c");
        return strstr(status_text(), "without protobuf-c") ? 77 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_is_told, close_run),
        cmocka_unit_test_teardown(options_are_a_table, close_run),
        cmocka_unit_test_teardown(files_follow_each_other, close_run),
        cmocka_unit_test_teardown(failures_are_told, close_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
