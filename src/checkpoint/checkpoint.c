/* Checkpoint: finds out what a file is, has it read, and answers questions about it. */
#include "checkpoint/checkpoint.h"

#include "checkpoint/formats/document.h"
#include "checkpoint/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What people hand over instead of a checkpoint, by its first bytes. */
static const char *looks_like(const char *bytes, size_t size)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *name;
    } known[] = {
        {"\x1f\x8b", 2, "gzip data: unpack them first"},
        {"7z\xbc\xaf\x27\x1c", 6, "a 7z archive"},
        {"\xfd"
         "7zXZ",
         5, "xz data: unpack them first"},
        {"BZh", 3, "bzip2 data: unpack them first"},
        {"\x28\xb5\x2f\xfd", 4, "zstd data: unpack them first"},
        {"Rar!", 4, "a RAR archive"},
        {"version https://git-lfs", 23, "a Git LFS pointer: fetch the file itself (git lfs pull)"},
        {"<!DOCTYPE", 9, "an HTML page: the download went wrong"},
        {"<!doctype", 9, "an HTML page: the download went wrong"},
        {"<html", 5, "an HTML page: the download went wrong"},
        {"<HTML", 5, "an HTML page: the download went wrong"},
        {"<?xml", 5, "an XML document"},
        {"\x89HDF", 4, "an HDF5 file"},
        {"\x93NUMPY", 6, "a NumPy array"},
        {"GGUF", 4, "a GGUF model"},
        {"\x89PNG", 4, "a PNG image"},
        {"\xff\xd8\xff", 3, "a JPEG image"},
        {"\x7f"
         "ELF",
         4, "a program"},
        {"MZ", 2, "a Windows program"},
        {"#!", 2, "a script"},
        {"%PDF", 4, "a PDF document"},
        {"PK\5\6", 4, "an empty zip archive"},
        {"\x80\x02", 2, "a bare pickle"},
        {"\x80\x03", 2, "a bare pickle"},
        {"\x80\x04", 2, "a bare pickle"},
        {"\x80\x05", 2, "a bare pickle"},
        {"{", 1, "JSON text"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (size >= known[i].length && memcmp(bytes, known[i].bytes, known[i].length) == 0)
            return known[i].name;
    return "no checkpoint of a known format";
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The length in front must fit, and the header begins as JSON does. */
static bool may_be_safetensors(const Checkpoint *c, const uint8_t *head, size_t n)
{
    return n > 8 && little64(head) <= c->source.size - 8 && strchr("{ \t\r\n", head[8]) && head[8];
}

static bool may_be_tar(const uint8_t *head, size_t n)
{
    return n == 512 && (memcmp(head + 257, "ustar", 5) == 0 ||
                        (head[0] > ' ' && head[99] == 0 && head[156] == '0' && head[155] == ' '));
}

/* A pickle, of protocol 2 to 5, of an integer of ten bytes, from protocol 4 on in a frame. */
static bool may_be_legacy(const uint8_t *head, size_t n)
{
    size_t at = n > 13 && head[1] >= 4 && head[2] == 0x95 ? 11 : 2;
    return n >= 4 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 && head[at] == 0x8a &&
           head[at + 1] == 10;
}

static Status read_format(Checkpoint *c)
{
    uint8_t head[512];
    size_t n = c->source.size < sizeof head ? (size_t)c->source.size : sizeof head;
    TRY(source_read(&c->source, 0, head, n));
    if (ends_with(c->path, ".safetensors"))
        return safetensors_open(c);
    if (n < 4)
        return status_fail(STATUS_INPUT, "%s: file@0: truncated, %zu bytes", c->path, n);
    if (memcmp(head, "PK\3\4", 4) == 0)
        return torch_zip_open(c);
    if (may_be_legacy(head, n))
        return legacy_open(c);
    if (may_be_tar(head, n))
        return tar_open(c);
    if (may_be_safetensors(c, head, n))
        return safetensors_open(c);
    return status_fail(STATUS_INPUT,
                       "%s: file@0: this is %s (expected a PyTorch checkpoint or safetensors)",
                       c->path, looks_like((const char *)head, n));
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(CheckpointTensor *const *)a)->key, (*(CheckpointTensor *const *)b)->key);
}

/* Two paths can spell one key, {"a/b": T, "a": {"b": U}} or {5: T, "5": U}: nobody could tell which
 * of them is meant. */
static Status sort_keys(Checkpoint *c)
{
    c->by_key = mem_alloc(c->count * sizeof *c->by_key);
    for (uint32_t i = 0; i < c->count; i++)
        c->by_key[i] = &c->tensors[i];
    qsort(c->by_key, c->count, sizeof *c->by_key, by_key);
    for (uint32_t i = 1; i < c->count; i++) {
        const CheckpointTensor *t = c->by_key[i];
        Place place = {c->source.path, c->entry ? c->entry : "header", t->at, t->key};
        if (strcmp(c->by_key[i - 1]->key, t->key) == 0)
            return place_fail(STATUS_INPUT, &place,
                              "two tensors have this key, on different paths");
    }
    return STATUS_OK;
}

static Status open_source(Checkpoint *c, const CheckpointOptions *options, Checkpoint **out)
{
    if (options)
        c->options = *options;
    Status status = read_format(c);
    if (status == STATUS_OK)
        status = sort_keys(c);
    if (status != STATUS_OK) {
        checkpoint_close(c);
        return status;
    }
    *out = c;
    return STATUS_OK;
}

Status checkpoint_open(const char *path, const CheckpointOptions *options, Checkpoint **out)
{
    Checkpoint *c = mem_zero(1, sizeof *c);
    c->path = mem_string(path);
    Status status = source_open(&c->source, c->path);
    if (status != STATUS_OK) {
        checkpoint_close(c);
        return status;
    }
    return open_source(c, options, out);
}

Status checkpoint_open_memory(const char *name, const uint8_t *bytes, size_t size,
                              const CheckpointOptions *options, Checkpoint **out)
{
    if (size == 0)
        return status_fail(STATUS_INPUT, "%s: file@0: empty file (0 bytes)", name);
    Checkpoint *c = mem_zero(1, sizeof *c);
    c->path = mem_string(name);
    c->source = source_memory(c->path, bytes, size);
    return open_source(c, options, out);
}

void checkpoint_close(Checkpoint *c)
{
    if (!c)
        return;
    free(c->by_key);
    free(c->inflated);
    free(c->tensors);
    free(c->storages);
    pool_free(&c->pool);
    source_close(&c->source);
    free(c->path);
    free(c);
}

CheckpointFormat checkpoint_format(const Checkpoint *c) { return c->format; }
const char *checkpoint_path(const Checkpoint *c) { return c->path; }
uint64_t checkpoint_file_bytes(const Checkpoint *c) { return c->source.size; }
const Object *checkpoint_root(const Checkpoint *c) { return c->root; }
uint32_t checkpoint_count(const Checkpoint *c) { return c->count; }
const CheckpointTensor *checkpoint_tensor(const Checkpoint *c, uint32_t index)
{
    return &c->tensors[index];
}

const char *checkpoint_format_name(const Checkpoint *c)
{
    static const char *const names[] = {
#define X(name, word, text) text,
        CHECKPOINT_FORMATS(X)
#undef X
    };
    return names[c->format];
}

const CheckpointTensor *checkpoint_find(const Checkpoint *c, const char *key)
{
    for (uint32_t low = 0, high = c->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const CheckpointTensor *t = c->by_key[middle];
        int order = strcmp(t->key, key);
        if (order == 0)
            return t;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The value in a container under the first part of a path; *rest is what follows. Keys may hold
 * slashes: the longest one that fits is taken. */
static const Object *child(const Object *object, const char *path, const char **rest)
{
    const Object *found = NULL;
    size_t longest = 0;
    if (object->kind == OBJECT_LIST || object->kind == OBJECT_TUPLE) {
        char *end;
        unsigned long i =
            path[0] >= '0' && path[0] <= '9' ? strtoul(path, &end, 10) : object->count;
        if (i >= object->count || (*end && *end != '/'))
            return NULL;
        *rest = end;
        return object->items[i];
    }
    for (uint32_t i = 0; object->kind == OBJECT_DICT && i < object->count; i++) {
        const Object *key = object->items[2 * i];
        char number[32];
        const char *text = key->kind == OBJECT_TEXT ? key->text : number;
        if (key->kind == OBJECT_INT)
            snprintf(number, sizeof number, "%lld", (long long)key->integer);
        else if (key->kind != OBJECT_TEXT)
            continue;
        size_t n = strlen(text);
        if (strncmp(path, text, n) == 0 && (path[n] == 0 || path[n] == '/') &&
            (!found || n > longest)) {
            found = object->items[2 * i + 1];
            longest = n;
        }
    }
    *rest = path + longest;
    return found;
}

const Object *checkpoint_object(const Checkpoint *c, const char *key)
{
    const Object *object = c->root;
    while (object && *key) {
        object = child(object, key, &key);
        if (*key == '/')
            key++;
    }
    return object;
}

Status checkpoint_fail(const Checkpoint *c, const char *key, const char *format, ...)
{
    char what[320];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const CheckpointTensor *t = checkpoint_find(c, key);
    Place place = {c->source.path, c->entry, t ? t->at : c->pickle.begin, key};
    return place_fail(STATUS_INPUT, &place, "%s", what);
}

/* A number at a key as a double, and as an integer where it is one. */
static Status number_at(Checkpoint *c, const char *key, double *value, int64_t *integer,
                        bool *whole)
{
    const Object *object = checkpoint_object(c, key);
    *whole = true;
    if (object && (object->kind == OBJECT_INT || object->kind == OBJECT_BOOL)) {
        *integer = object->kind == OBJECT_INT ? object->integer : object->flag;
        *value = (double)*integer;
        return STATUS_OK;
    }
    *whole = false;
    if (object && object->kind == OBJECT_FLOAT) {
        *value = object->number;
        return STATUS_OK;
    }
    const CheckpointTensor *t = checkpoint_find(c, key);
    if (!object)
        return checkpoint_fail(c, key, "is missing");
    if (!t || !t->tensor || t->tensor->count != 1)
        return checkpoint_fail(c, key, "is %s (expected a number)", object_kind_name(object));
    if (element_converts(t->tensor->type, ELEMENT_INT64)) {
        *whole = true;
        TRY(checkpoint_read(c, t, ELEMENT_INT64, integer));
        *value = (double)*integer;
        return STATUS_OK;
    }
    return checkpoint_read(c, t, ELEMENT_FLOAT64, value);
}

Status checkpoint_number(Checkpoint *c, const char *key, double *value)
{
    int64_t integer;
    bool whole;
    return number_at(c, key, value, &integer, &whole);
}

Status checkpoint_integer(Checkpoint *c, const char *key, int64_t *value)
{
    double number = 0;
    int64_t integer = 0;
    bool whole;
    TRY(number_at(c, key, &number, &integer, &whole));
    if (!whole)
        return checkpoint_fail(c, key, "is %g (expected an integer)", number);
    *value = integer;
    return STATUS_OK;
}

const char *checkpoint_text(const Checkpoint *c, const char *key)
{
    const Object *object = checkpoint_object(c, key);
    return object && object->kind == OBJECT_TEXT ? object->text : NULL;
}
