/* safetensors: a length, a JSON header, the data. The header is cut into its members by a scan that
 * knows strings and brackets only; each member is then parsed by the strict JSON reader, one at a
 * time, so that a header of any size costs little memory. Ranges must fill the file exactly: no
 * holes, no overlap. */
#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/readers.h"
#include "checkpoint/objects/object_pool.h"
#include "checkpoint/objects/tensor.h"

#include <stdlib.h>
#include <string.h>

typedef struct Header {
    Checkpoint *c;
    const char *text; /* [size] */
    uint64_t size;
    uint64_t at;    /* position of the scan */
    uint64_t data;  /* offset of the data in the file */
    uint64_t total; /* bytes of all tensors so far */
    Object *root, *metadata;
} Header;

/* Offsets within the header begin behind the eight bytes of its length. */
static Place place_at(const Header *h, uint64_t at, const char *key)
{
    return (Place){h->c->source.path, "header", at + 8, key};
}

/* Fails at the scan's position in `h`, which is in scope. */
#define FAIL_KEY(key, ...)                                                                         \
    do {                                                                                           \
        Place place_ = place_at(h, h->at, (key));                                                  \
        return place_fail(STATUS_INPUT, &place_, __VA_ARGS__);                                     \
    } while (0)

#define FAIL(...) FAIL_KEY(NULL, __VA_ARGS__)

static Status full(const Header *h)
{
    Place place = place_at(h, h->at, NULL);
    return place_full(&place);
}

/* ---- the scan */

/* The four kinds of blank that JSON has. */
static void skip_space(Header *h)
{
    while (h->at < h->size && memchr(" \t\r\n", h->text[h->at], 4))
        h->at++;
}

static Status expect(Header *h, char c)
{
    skip_space(h);
    if (h->at >= h->size || h->text[h->at] != c)
        FAIL("expected '%c' in the header", c);
    h->at++;
    return STATUS_OK;
}

/* Moves behind a string that begins here. */
static Status scan_string(Header *h)
{
    uint64_t from = h->at;
    /* Escapes are passed over here and read by the strict reader later. */
    for (h->at++; h->at < h->size && h->text[h->at] != '"'; h->at++)
        if (h->text[h->at] == '\\')
            h->at++;
    if (h->at >= h->size) {
        h->at = from;
        FAIL("string without an end");
    }
    h->at++;
    return STATUS_OK;
}

/* Moves behind an object that begins here. */
static Status scan_object(Header *h)
{
    /* Kinds of bracket need not match here: the strict reader sees to it. */
    uint64_t from = h->at, depth = 0;
    for (; h->at < h->size; h->at++) {
        char c = h->text[h->at];
        if (c == '"') {
            /* The loop's step goes behind the string. */
            TRY(scan_string(h));
            h->at--;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            h->at++;
            return STATUS_OK;
        }
    }
    h->at = from;
    FAIL("object without an end");
}

static Status parse(Header *h, Arena *scratch, uint64_t from, Json **out)
{
    Status status = json_parse(scratch, h->c->source.path, h->text + from, h->at - from, out);
    if (status == STATUS_OK)
        return status;
    /* The reader counts from where its text began: say where that is. */
    char text[STATUS_TEXT_MAX];
    /* Its message is "json@OFFSET: what": the offset is moved to the header's, the rest is kept. */
    const char *what = strstr(status_text(), "json@");
    unsigned long long within = what ? strtoull(what + 5, NULL, 10) : 0;
    what = what ? strchr(what, ' ') : NULL;
    strcpy(text, what ? what + 1 : "malformed");
    h->at = from + within;
    FAIL("%.200s", text);
}

/* ---- tensors */

static Status take_shape(Header *h, const char *key, const Json *shape, StoredTensor **out)
{
    if (!shape || shape->kind != JSON_ARRAY)
        FAIL_KEY(key, "no shape");
    if (shape->count > LIMIT_RANK)
        FAIL_KEY(key, "tensor with %d dimensions (at most %d)", shape->count, LIMIT_RANK);
    StoredTensor *t =
        pool_alloc(&h->c->pool, sizeof *t + 2 * (size_t)shape->count * sizeof(int64_t));
    if (!t)
        return full(h);
    t->rank = shape->count;
    t->shape = (int64_t *)(t + 1);
    t->stride = t->shape + t->rank;
    int i = 0;
    for (const Json *n = shape->child; n; n = n->next, i++) {
        if (n->kind != JSON_NUMBER || !n->integral || n->integer < 0)
            FAIL_KEY(key, "dimension %d is no integer >= 0", i);
        t->shape[i] = n->integer;
    }
    /* A dimension of nothing leaves the strides as if it were one element. */
    int64_t stride = 1;
    for (i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = stride;
        if (t->shape[i] && __builtin_mul_overflow(stride, t->shape[i], &stride))
            FAIL_KEY(key, "product of the tensor's shape overflows");
    }
    *out = t;
    return STATUS_OK;
}

static Status take_range(Header *h, const char *key, const Json *offsets, uint64_t *begin,
                         uint64_t *end)
{
    const Json *b =
        offsets && offsets->kind == JSON_ARRAY && offsets->count == 2 ? offsets->child : NULL;
    const Json *e = b ? b->next : NULL;
    if (!e || b->kind != JSON_NUMBER || e->kind != JSON_NUMBER || !b->integral || !e->integral ||
        b->integer < 0 || e->integer < 0)
        FAIL_KEY(key, "data_offsets are no pair of integers >= 0");
    /* Counted from where the data begin. */
    *begin = (uint64_t)b->integer;
    *end = (uint64_t)e->integer;
    uint64_t data = h->c->source.size - h->data;
    if (*begin > *end || *end > data)
        FAIL_KEY(key, "data_offsets %llu to %llu lie outside the data (%llu bytes)",
                 (unsigned long long)*begin, (unsigned long long)*end, (unsigned long long)data);
    /* Ranges that fill the data exactly never add up to more: hostile headers end here. */
    h->total += *end - *begin;
    if (h->total > data)
        FAIL_KEY(key, "the tensor's data overlap others (%llu bytes so far vs %llu)",
                 (unsigned long long)h->total, (unsigned long long)data);
    return STATUS_OK;
}

/* Types of the format that cannot be read here: bits of an element, for checking sizes. */
static unsigned foreign_bits(const char *dtype)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {{"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
                 {"F8_E5M2", 8},     {"F8_E4M3", 8},     {"F8_E8M0", 8},
                 {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"C64", 64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, dtype) == 0)
            return types[i].bits;
    return 0;
}

static Status check_bytes(Header *h, const char *key, const StoredTensor *t, unsigned bits,
                          uint64_t bytes)
{
    uint64_t count = 1;
    /* Here a zero does make the product zero: the strides have been looked at for overflow. */
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(count, (uint64_t)t->shape[i], &count))
            FAIL_KEY(key, "product of the tensor's shape overflows");
    if (__builtin_mul_overflow(count, bits, &count) || count % 8)
        FAIL_KEY(key,
                 count % 8 ? "elements do not fill whole bytes" : "size of the tensor overflows");
    if (count / 8 != bytes)
        FAIL_KEY(key, "data_offsets give %llu bytes, shape and type need %llu",
                 (unsigned long long)bytes, (unsigned long long)(count / 8));
    return STATUS_OK;
}

static Status make_storage(Header *h, const Place *place, const char *key, StoredTensor *t,
                           uint64_t begin, uint64_t end)
{
    /* A storage for each tensor: this format has no views. */
    Storage *s;
    TRY(document_add_storage(h->c, place, &s));
    s->key = key;
    s->class_name = element_name(t->type);
    s->type = t->type;
    s->count = s->span = (end - begin) / element_bytes(t->type);
    s->offset = h->data + begin;
    s->known = s->placed = true;
    t->storage = s;
    return tensor_check(h->c, place, t);
}

static Status add_object(Header *h, Object *dict, const char *key, Object *value)
{
    return value && object_pool_add(&h->c->pool, dict, key, value) ? STATUS_OK : full(h);
}

static Status add_tensor(Header *h, const char *key, const Json *json, uint64_t at)
{
    const Json *dtype = json_get(json, "dtype");
    uint64_t begin = 0, end = 0;
    StoredTensor *t = NULL;
    if (json->kind != JSON_OBJECT || json->count != 3 || !dtype || dtype->kind != JSON_STRING)
        FAIL_KEY(key, "expected an object of dtype, shape and data_offsets");
    TRY(take_shape(h, key, json_get(json, "shape"), &t));
    TRY(take_range(h, key, json_get(json, "data_offsets"), &begin, &end));
    /* One that is not read has its range checked all the same. */
    bool ours = element_from_safetensors(dtype->text, &t->type);
    unsigned bits = ours ? (unsigned)element_bytes(t->type) * 8 : foreign_bits(dtype->text);
    /* Of a type that nobody knows not even the range can be checked. */
    if (bits == 0)
        FAIL_KEY(key, "unknown type '%.40s'", dtype->text);
    TRY(check_bytes(h, key, t, bits, end - begin));
    Place place = place_at(h, at, key);
    Object *object = pool_alloc(&h->c->pool, sizeof *object);
    if (!object)
        return full(h);
    /* Listed in any case, so that it is named where it is asked for. */
    CheckpointTensor listed = {.key = key, .at = place.offset};
    if (ours) {
        TRY(make_storage(h, &place, key, t, begin, end));
        object->kind = OBJECT_TENSOR;
        object->tensor = listed.tensor = t;
    } else {
        object->kind = OBJECT_UNSUITABLE;
        /* What it is, for messages: the format's own name of the type. */
        object->text = listed.why = pool_text(&h->c->pool, dtype->text, strlen(dtype->text));
        object->count = (uint32_t)strlen(dtype->text);
        /* Its range still takes part in the check for holes: keep it where the storage would be. */
        Storage *s;
        TRY(document_add_storage(h->c, &place, &s));
        s->key = key;
        s->type = ELEMENT_UINT8;
        s->count = s->span = end - begin;
        s->offset = h->data + begin;
    }
    TRY(document_add_tensor(h->c, &place, &listed));
    return add_object(h, h->root, key, object);
}

static Status add_metadata(Header *h, const Json *json)
{
    if (h->metadata)
        FAIL("__metadata__ stands twice");
    if (json->kind != JSON_OBJECT)
        FAIL("__metadata__ is no object");
    if (!(h->metadata = pool_alloc(&h->c->pool, sizeof *h->metadata)))
        return full(h);
    h->metadata->kind = OBJECT_DICT;
    /* Texts alone: the format has no other metadata. */
    for (const Json *m = json->child; m; m = m->next) {
        if (m->kind != JSON_STRING)
            FAIL("__metadata__ '%.100s' is no string", m->key);
        char *key = pool_text(&h->c->pool, m->key, strlen(m->key));
        char *text = pool_text(&h->c->pool, m->text, strlen(m->text));
        if (!key || !text)
            return full(h);
        TRY(add_object(h, h->metadata, key, object_pool_text(&h->c->pool, text)));
    }
    return add_object(h, h->root, "__metadata__", h->metadata);
}

/* One member of the header: a name, a colon, an object. */
static Status read_member(Header *h, Arena *scratch)
{
    Json *name, *value;
    skip_space(h);
    uint64_t from = h->at;
    if (h->at >= h->size || h->text[h->at] != '"')
        FAIL("expected a name in quotes");
    TRY(scan_string(h));
    if (h->at - from > LIMIT_NAME)
        FAIL("name of %llu bytes (limit %d)", (unsigned long long)(h->at - from), LIMIT_NAME);
    TRY(parse(h, scratch, from, &name));
    /* Keys are parsed by themselves, for their escapes: two spellings may be one name. */
    TRY(expect(h, ':'));
    skip_space(h);
    uint64_t begin = h->at;
    if (h->at >= h->size || h->text[h->at] != '{')
        FAIL_KEY(name->text, "expected an object");
    TRY(scan_object(h));
    bool metadata = strcmp(name->text, "__metadata__") == 0;
    /* Nobody needs more, and each description is parsed in memory at once. */
    if (h->at - begin > (metadata ? LIMIT_STRING : 16 * 1024))
        FAIL_KEY(name->text, "description of %llu bytes", (unsigned long long)(h->at - begin));
    uint64_t end = h->at;
    TRY(parse(h, scratch, begin, &value));
    /* Failures of a member are reported at its beginning. */
    h->at = begin;
    if (metadata) {
        TRY(add_metadata(h, value));
    } else {
        const char *key = pool_text(&h->c->pool, name->text, strlen(name->text));
        if (!key)
            return full(h);
        TRY(add_tensor(h, key, value, begin));
    }
    h->at = end;
    return STATUS_OK;
}

static Status read_members(Header *h)
{
    TRY(expect(h, '{'));
    skip_space(h);
    /* Also entered at the end of the text: what is missing there is then said. */
    for (bool first = true; h->at >= h->size || h->text[h->at] != '}'; first = false) {
        /* One member at a time: the memory of all would be many times the header's. */
        Arena scratch = {0};
        if (!first)
            TRY(expect(h, ','));
        Status status = read_member(h, &scratch);
        arena_free(&scratch);
        TRY(status);
        skip_space(h);
    }
    h->at++;
    skip_space(h);
    if (h->at != h->size)
        FAIL("text behind the end of the header");
    return STATUS_OK;
}

/* ---- the whole */

static int by_range(const void *a, const void *b)
{
    const Storage *x = *(Storage *const *)a, *y = *(Storage *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    /* Empty ranges first: one that begins where another does takes nothing from it. */
    return (x->count > 0) - (y->count > 0);
}

/* Sorted by begin, every range begins where the one before ended, and the last ends with the
 * file. */
static Status check_coverage(Header *h)
{
    Checkpoint *c = h->c;
    uint64_t at = h->data;
    /* The list may be sorted: nobody else needs its order in this format. */
    if (c->storage_count)
        qsort(c->storages, c->storage_count, sizeof *c->storages, by_range);
    for (uint32_t i = 0; i < c->storage_count; i++) {
        const Storage *s = c->storages[i];
        Place place = {c->source.path, "header", 8, s->key};
        /* By what the ranges leave between them: each begins where all before it end. */
        if (s->offset != at)
            return place_fail(STATUS_INPUT, &place,
                              s->offset > at ? "a hole before the tensor's data "
                                               "(offset %llu vs %llu)"
                                             : "the tensor's data overlap others (offset %llu vs "
                                               "%llu)",
                              (unsigned long long)(s->offset - h->data),
                              (unsigned long long)(at - h->data));
        at += s->count * element_bytes(s->type);
    }
    Place place = {c->source.path, "data", at, NULL};
    if (at != c->source.size)
        return place_fail(STATUS_INPUT, &place, "%llu bytes behind the last tensor's data",
                          (unsigned long long)(c->source.size - at));
    return STATUS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A JSON reader takes the last of two members, or the first: two readers would see two models. */
static Status check_names(Header *h)
{
    Checkpoint *c = h->c;
    const char **names = mem_alloc(c->count * sizeof *names);
    for (uint32_t i = 0; i < c->count; i++)
        names[i] = c->tensors[i].key;
    qsort(names, c->count, sizeof *names, by_text);
    const char *twice = NULL;
    for (uint32_t i = 1; i < c->count && !twice; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            twice = names[i];
    free(names);
    if (twice)
        FAIL_KEY(twice, "tensor stands twice in the header");
    return STATUS_OK;
}

static Status read_header(Checkpoint *c, uint64_t size)
{
    Header header = {.c = c, .size = size, .data = size + 8}, *h = &header;
    /* The header counts as memory of the file while it is read. */
    if (!pool_charge(&c->pool, (size_t)size))
        return full(h);
    char *text = malloc((size_t)size + 1);
    if (!text)
        return status_fail(STATUS_LIMIT, "%s: header@8: no memory for %llu bytes", c->source.path,
                           (unsigned long long)size);
    h->text = text;
    Status status = source_read(&c->source, 8, text, (size_t)size);
    c->root = h->root = pool_alloc(&c->pool, sizeof *h->root);
    if (h->root)
        h->root->kind = OBJECT_DICT;
    else
        status = full(h);
    /* Once for all of it: names are used in messages and as keys. */
    if (status == STATUS_OK && !utf8_valid(text, (size_t)size)) {
        Place place = place_at(h, 0, NULL);
        status = place_fail(STATUS_INPUT, &place, "header is not UTF-8");
    }
    if (status == STATUS_OK)
        status = read_members(h);
    /* Only a whole header can be judged by what its members are to each other. */
    if (status == STATUS_OK)
        status = check_names(h);
    if (status == STATUS_OK)
        status = check_coverage(h);
    free(text);
    pool_release(&c->pool, (size_t)size);
    return status;
}

Status safetensors_read(Checkpoint *c)
{
    uint8_t raw[8];
    c->format = CHECKPOINT_SAFETENSORS;
    c->entry = "header";
    Place place = {c->source.path, c->entry, 0, NULL};
    if (c->source.size < 8)
        return place_fail(STATUS_INPUT, &place, "truncated, %llu bytes (at least 8 are needed)",
                          (unsigned long long)c->source.size);
    TRY(source_read(&c->source, 0, raw, 8));
    uint64_t size = little64(raw);
    /* The format's own bound; LIMIT_HEADER is this program's. */
    if (size > 100 * 1000 * 1000)
        return place_fail(STATUS_INPUT, &place, "header of %llu bytes (at most 100000000)",
                          (unsigned long long)size);
    if (size > c->source.size - 8)
        return place_fail(STATUS_INPUT, &place,
                          "header of %llu bytes reaches over the end of the file (%llu "
                          "bytes)",
                          (unsigned long long)size, (unsigned long long)c->source.size);
    if (size > LIMIT_HEADER)
        return place_fail(STATUS_LIMIT, &place, "header of %llu bytes (limit %d MiB)",
                          (unsigned long long)size, LIMIT_HEADER >> 20);
    return read_header(c, size);
}
