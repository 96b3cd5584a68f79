/* Opening and closing, and what can be answered from the tree and the list of tensors alone.
 * Elements are read in read.c, single numbers and texts looked up in values.c. */
#include "checkpoint/checkpoint.h"

#include "base/arena.h"
#include "checkpoint/formats/formats.h"
#include "checkpoint/objects/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    /* Neighbours after sorting: any two that are alike are next to each other. */
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
    /* Without options: warn of what can be warned of, refuse what must be. */
    if (options)
        c->options = *options;
    Status status = format_read(c);
    if (status == STATUS_OK)
        status = sort_keys(c);
    if (status != STATUS_OK) {
        checkpoint_close(c);
        return status;
    }
    /* Only now: what failed has been closed. */
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
    /* As source_open says of a file. */
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

CheckpointFormat checkpoint_format(const Checkpoint *c)
{
    return c->format;
}
const char *checkpoint_path(const Checkpoint *c)
{
    return c->path;
}
uint64_t checkpoint_file_bytes(const Checkpoint *c)
{
    return c->source.size;
}
const Object *checkpoint_root(const Checkpoint *c)
{
    return c->root;
}
uint32_t checkpoint_count(const Checkpoint *c)
{
    return c->count;
}
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
    CheckpointTensor wanted = {.key = key}, *place = &wanted;
    CheckpointTensor **found =
        c->count ? bsearch(&place, c->by_key, c->count, sizeof *c->by_key, by_key) : NULL;
    return found ? *found : NULL;
}

/* The value in a container under the first part of a path; *rest is what follows. Keys may hold
 * slashes: the longest one that fits is taken. */
static const Object *child(const Object *object, const char *path, const char **rest)
{
    const Object *found = NULL;
    size_t longest = 0;
    /* By its index, which must be a number up to the next slash. */
    if (object->kind == OBJECT_LIST || object->kind == OBJECT_TUPLE) {
        char *end;
        unsigned long i =
            path[0] >= '0' && path[0] <= '9' ? strtoul(path, &end, 10) : object->count;
        if (i >= object->count || (*end && *end != '/'))
            return NULL;
        *rest = end;
        return object->items[i];
    }
    /* Integer keys count as their digits. */
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
    /* Part by part, each consuming its key and the slash behind it. */
    while (object && *key) {
        object = child(object, key, &key);
        if (*key == '/')
            key++;
    }
    return object;
}

Place checkpoint_place(const Checkpoint *c, const Object *object)
{
    return document_place(c, c->pickle.begin + (object ? object->at : 0), NULL);
}

uint64_t checkpoint_most_bytes(const Checkpoint *c)
{
    return document_most_bytes(c);
}

Status checkpoint_fail(const Checkpoint *c, const char *key, const char *format, ...)
{
    char what[320];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    /* At a tensor's own place where there is one of this key; else where the tree begins. */
    const CheckpointTensor *t = checkpoint_find(c, key);
    Place place = document_place(c, t ? t->at : c->pickle.begin, key);
    return place_fail(STATUS_INPUT, &place, "%s", what);
}
