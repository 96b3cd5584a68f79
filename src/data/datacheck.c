/* One pass over all files on all cores, then sorting of hashes. */
#include "data/datacheck.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/fnv.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/threads.h"
#include "image/decode.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 8400 };

typedef struct Pass {
    const Dataset *data;
    bool decode;
    uint64_t *names, *contents;
    uint8_t *statuses; /* [count] each image's Status */
    atomic_llong done, bad;
    double start;
} Pass;

static uint64_t hash_bytes(const uint8_t *bytes, size_t n)
{
    uint64_t h = fnv_add(FNV_BEGIN, bytes, n);
    return h ? h : 1; /* 0 means "not read" */
}

/* Reads image i, or looks for its file; its failure text, if any, is this thread's status text. */
static Status judge(const Dataset *d, int64_t i, bool decode, uint64_t *content)
{
    char name[NAME_ROOM];
    uint8_t *bytes;
    size_t size;
    Image image = {0};
    *content = 0;
    if (!d->encoded) {
        size_t n = (size_t)d->side * (size_t)d->side * 3;
        *content = hash_bytes(d->pixels + (size_t)i * n, n);
        return STATUS_OK;
    }
    if (!decode)
        return dataset_look(d, i);
    TRY(dataset_read(d, i, &bytes, &size));
    *content = hash_bytes(bytes, size);
    Status status = image_decode(dataset_name(d, i, name, sizeof name), bytes, size, &image);
    image_free(&image);
    free(bytes);
    return status;
}

static void check_one(int64_t i, void *context)
{
    Pass *pass = context;
    char name[NAME_ROOM];
    /* Hashes of 64 bits stand for names: that two of ten million are alike by chance is a matter of
     * three in a million. */
    pass->names[i] = rng_hash(dataset_name(pass->data, i, name, sizeof name));
    pass->statuses[i] = (uint8_t)judge(pass->data, i, pass->decode, &pass->contents[i]);
    long long done = atomic_fetch_add(&pass->done, 1) + 1;
    long long bad = pass->statuses[i] != STATUS_OK ? atomic_fetch_add(&pass->bad, 1) + 1
                                                   : atomic_load(&pass->bad);
    double seconds = clock_seconds() - pass->start;
    if (done % 64 == 0)
        log_progress(10, "checked %lld of %lld images, %lld bad, %.0f s left", done,
                     (long long)pass->data->count, bad,
                     seconds / (double)done * (double)(pass->data->count - done));
}

/* An image's two hashes and its label, for sorting. */
typedef struct Entry {
    uint64_t name, content;
    int32_t label; /* of count_repeats alone */
} Entry;

static int by_name(const void *a, const void *b)
{
    const Entry *p = a, *q = b;
    return (p->name > q->name) - (p->name < q->name);
}

static int by_content(const void *a, const void *b)
{
    const Entry *p = a, *q = b;
    int order = (p->content > q->content) - (p->content < q->content);
    return order ? order : by_name(a, b);
}

static Entry *entries_of(const DataCheck *check)
{
    Entry *entries = mem_alloc(((size_t)check->images + 1) * sizeof *entries);
    for (int64_t i = 0; i < check->images; i++)
        entries[i] = (Entry){check->names[i], check->contents[i], 0};
    return entries;
}

static int by_name_and_label(const void *a, const void *b)
{
    const Entry *p = a, *q = b;
    int order = by_name(a, b);
    return order ? order : (p->label > q->label) - (p->label < q->label);
}

/* Names listed again, with the same or another label, and contents that occur under further names.
 */
static void count_repeats(const Dataset *d, DataCheck *check)
{
    Entry *entries = entries_of(check);
    for (int64_t i = 0; i < check->images; i++)
        entries[i].label = d->labels[i];
    qsort(entries, (size_t)check->images, sizeof *entries, by_name_and_label);
    for (int64_t i = 1; i < check->images; i++) {
        bool again = entries[i].name == entries[i - 1].name;
        check->duplicates += again;
        check->conflicts += again && entries[i].label != entries[i - 1].label;
    }
    /* Within one content by name: neighbours of another name are copies. */
    qsort(entries, (size_t)check->images, sizeof *entries, by_content);
    for (int64_t i = 1; i < check->images; i++)
        check->copies += entries[i].content && entries[i].content == entries[i - 1].content &&
                         entries[i].name != entries[i - 1].name;
    free(entries);
}

static void count_classes(const Dataset *d, DataCheck *check)
{
    check->smallest = d->count;
    for (int c = 0; c < d->classes; c++) {
        int64_t n = d->counts[c];
        check->empty_classes += n == 0;
        if (n > check->largest)
            check->largest = n;
        if (n > 0 && n < check->smallest)
            check->smallest = n;
    }
}

/* Prints the first bad files; their failures are made again for their texts. */
static void print_bad(const Pass *pass, int64_t lines, FILE *out)
{
    uint64_t content;
    for (int64_t i = 0; i < pass->data->count && lines > 0; i++) {
        if (pass->statuses[i] == STATUS_OK)
            continue;
        lines--;
        if (judge(pass->data, i, pass->decode, &content) != STATUS_OK)
            fprintf(out, "%s\n", status_text());
    }
}

/* Counts the bad images, and chooses among their failures the one that a user must hear of. */
static void count_bad(const Pass *pass, DataCheck *check)
{
    Status missing = STATUS_OK, unreadable = STATUS_OK;
    for (int64_t i = 0; i < check->images; i++) {
        Status status = (Status)pass->statuses[i];
        if (status == STATUS_OK)
            continue;
        bool gone = status == STATUS_IO && dataset_missing(pass->data, i);
        Status *first = gone ? &missing : &unreadable;
        ++*(gone ? &check->missing : &check->unreadable);
        if (*first == STATUS_OK)
            *first = status;
    }
    /* Missing files first: a wrong folder explains all of them at once. */
    check->status = missing != STATUS_OK ? missing : unreadable;
}

void datacheck_run(const Dataset *d, bool decode, int64_t lines, FILE *out, DataCheck *result)
{
    *result = (DataCheck){.images = d->count, .compared = decode || !d->encoded};
    result->names = mem_alloc((size_t)d->count * sizeof *result->names);
    result->contents = mem_alloc((size_t)d->count * sizeof *result->contents);
    Pass pass = {.data = d, .decode = decode, .names = result->names, .contents = result->contents,
                 .start = clock_seconds()};
    pass.statuses = mem_zero((size_t)d->count, 1);
    threads_for(d->count, check_one, &pass);
    log_progress_end();
    count_bad(&pass, result);
    count_classes(d, result);
    count_repeats(d, result);
    print_bad(&pass, lines, out);
    free(pass.statuses);
}

void datacheck_overlap(const DataCheck *train, const DataCheck *test, int64_t *names,
                       int64_t *contents)
{
    size_t n = (size_t)train->images;
    Entry *sorted = entries_of(train), *other = entries_of(train);
    qsort(sorted, n, sizeof *sorted, by_name);
    qsort(other, n, sizeof *other, by_content);
    for (size_t i = 0; i < n; i++) /* every name of a content counts: search by content alone */
        other[i].name = 0;
    *names = *contents = 0;
    for (int64_t i = 0; i < test->images; i++) {
        Entry key = {.name = test->names[i]}, same = {.content = test->contents[i]};
        if (bsearch(&key, sorted, n, sizeof *sorted, by_name))
            ++*names;
        else if (same.content && bsearch(&same, other, n, sizeof *other, by_content))
            ++*contents;
    }
    free(sorted);
    free(other);
}

void datacheck_free(DataCheck *result)
{
    free(result->names);
    free(result->contents);
    *result = (DataCheck){0};
}
