/* PyTorch's zip (1.6 and later): data.pkl, one record per storage, version, and perhaps byteorder.
 * Whether a storage's record is there and has its size is checked with the first tensor on it. */
#include "base/log.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/formats/readers.h"
#include "checkpoint/objects/storages.h"
#include "checkpoint/objects/tree.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION_MOST = 10 };

/* Messages about a record name it, and where its bytes begin. */
static Place entry_place(const Checkpoint *c, int64_t entry)
{
    const ZipEntry *e = &c->zip.entries[entry];
    return (Place){c->source.path, e->name, e->data, NULL};
}

/* A short record as text; *length is its size. */
static Status read_short(Checkpoint *c, int64_t entry, char text[32], size_t *length)
{
    Place place = entry_place(c, entry);
    const ZipEntry *e = &c->zip.entries[entry];
    Stream stream;
    /* Before it is read: a record of any size may bear this name. */
    if (e->size >= 32)
        return place_fail(STATUS_INPUT, &place, "record of %llu bytes (expected a short text)",
                          (unsigned long long)e->size);
    /* Checked first: a flipped bit in "little" would be taken for another order, or for none. */
    TRY(zip_verify(&c->zip, entry, NULL));
    TRY(zip_stream(&c->zip, entry, &stream));
    Status status = stream_read(&stream, text, (size_t)e->size);
    stream_close(&stream);
    *length = (size_t)e->size;
    text[*length] = 0;
    return status;
}

static Status check_version(Checkpoint *c)
{
    char text[32];
    size_t length = 0;
    int64_t entry = zip_find(&c->zip, "version");
    if (entry < 0)
        /* Some versions keep it here. */
        entry = zip_find(&c->zip, ".data/version");
    if (entry < 0)
        return status_fail(STATUS_INPUT,
                           "%s: %s@0: record %sversion is missing: no PyTorch checkpoint",
                           c->source.path, "directory", c->zip.prefix);
    TRY(read_short(c, entry, text, &length));
    Place place = entry_place(c, entry);
    size_t digits = strspn(text, "0123456789");
    /* Three digits at most, so that strtol cannot overflow. */
    long version = digits && digits < 4 ? strtol(text, NULL, 10) : 0;
    /* A line end may follow, nothing else. */
    bool ends = digits == length || (digits + 1 == length && text[digits] == '\n');
    if (!ends || version < 1 || version > VERSION_MOST)
        return place_fail(STATUS_INPUT, &place, "version '%s' (expected 1 to %d)", text,
                          VERSION_MOST);
    return STATUS_OK;
}

static Status check_byte_order(Checkpoint *c)
{
    char text[32];
    size_t length = 0;
    int64_t entry = zip_find(&c->zip, "byteorder");
    /* Older versions do not write it: their files are little-endian. */
    if (entry < 0)
        return STATUS_OK;
    TRY(read_short(c, entry, text, &length));
    Place place = entry_place(c, entry);
    c->big_endian = strcmp(text, "big") == 0;
    if (!c->big_endian && strcmp(text, "little") != 0)
        return place_fail(STATUS_INPUT, &place, "byte order '%s' (expected little or big)", text);
    return STATUS_OK;
}

/* A compiled program is no checkpoint, although it has data.pkl and records too. */
static Status refuse_script(const Checkpoint *c)
{
    for (uint32_t i = 0; i < c->zip.count; i++) {
        const char *name = c->zip.entries[i].name + c->zip.prefix_length;
        /* What every TorchScript file has, and no checkpoint. */
        if (strcmp(name, "constants.pkl") == 0 || strncmp(name, "code/", 5) == 0) {
            Place place = entry_place(c, i);
            return place_fail(STATUS_INPUT, &place, "TorchScript, not a checkpoint");
        }
    }
    return STATUS_OK;
}

static Status check_crc_policy(const Checkpoint *c)
{
    /* PyTorch can be told to write none, and then nothing but the pickle's own sense shows
     * damage. */
    if (!c->zip.unchecked)
        return STATUS_OK;
    if (c->options.require_crc)
        return status_fail(STATUS_INPUT,
                           "%s: directory@0: written without CRCs, which are required here",
                           c->source.path);
    if (!c->options.quiet)
        log_warn("%s: written without CRCs: damage cannot be seen", c->source.path);
    return STATUS_OK;
}

static Status refer(void *context, Pool *pool, const Place *place, Object *reference)
{
    (void)pool;
    return storage_refer(context, place, reference, 5);
}

static Status read_pickle(Checkpoint *c, int64_t entry)
{
    /* References without views, which this format does not have. */
    PickleHooks hooks = {.context = c, .persistent = refer};
    Stream stream;
    TRY(zip_stream(&c->zip, entry, &stream));
    Status status = pickle_read(&c->pool, &stream, &hooks, &c->pickle);
    if (status == STATUS_OK && stream_left(&stream)) {
        Place place = stream_place(&stream);
        status = place_fail(STATUS_INPUT, &place, "%llu bytes behind the end of the pickle",
                            (unsigned long long)stream_left(&stream));
    }
    stream_close(&stream);
    return status;
}

/* Every record is inflated once at least, whether a tensor is in it or not. */
static Status check_inflated(const Checkpoint *c)
{
    uint64_t sum = 0, most = LIMIT_INFLATIONS * document_most_bytes(c);
    for (uint32_t i = 0; i < c->zip.count; i++) {
        const ZipEntry *e = &c->zip.entries[i];
        /* No overflow: the sum is looked at each time, and a size is at most 1032 times the file's.
         */
        sum += e->deflated ? e->size : 0;
        Place place = entry_place(c, i);
        if (sum > most)
            return place_fail(STATUS_LIMIT, &place,
                              "records inflate to more than %llu bytes: store them without "
                              "compression",
                              (unsigned long long)most);
    }
    return STATUS_OK;
}

Status torch_zip_read(Checkpoint *c)
{
    Storage **by_key;
    uint32_t distinct;
    c->format = CHECKPOINT_ZIP;
    TRY(zip_open(&c->source, &c->pool, &c->zip));
    TRY(refuse_script(c));
    /* Before anything is inflated. */
    TRY(check_inflated(c));
    int64_t pickle = zip_find(&c->zip, "data.pkl");
    if (pickle < 0)
        return status_fail(STATUS_INPUT,
                           "%s: directory@0: record %sdata.pkl is missing: no PyTorch "
                           "checkpoint",
                           c->source.path, c->zip.prefix);
    TRY(check_version(c));
    TRY(check_byte_order(c));
    TRY(check_crc_policy(c));
    Place place = entry_place(c, pickle);
    if (c->zip.entries[pickle].size > LIMIT_PICKLE)
        return place_fail(STATUS_LIMIT, &place, "pickle of %llu bytes (limit %d MiB)",
                          (unsigned long long)c->zip.entries[pickle].size, LIMIT_PICKLE >> 20);
    c->entry = c->zip.entries[pickle].name;
    /* A damaged pickle would be called malformed, which is another trouble to its owner. */
    TRY(zip_verify(&c->zip, pickle, NULL));
    TRY(read_pickle(c, pickle));
    TRY(storages_unite(c, &by_key, &distinct));
    /* The union alone is needed: records are found by their names. */
    free(by_key);
    c->root = c->pickle.root;
    return tree_resolve(c, c->pickle.ops);
}
