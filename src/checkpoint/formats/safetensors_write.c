/* safetensors: the header is made in memory, padded to a multiple of 8, then the elements follow in
 * its order. */
#include "base/arena.h"
#include "base/check.h"
#include "base/json_writer.h"
#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/writers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Named {
    const char *name;
    const StoredTensor *tensor;
} Named;

/* Wide elements first, then by name: every tensor is aligned to its elements. */
static int by_alignment(const void *a, const void *b)
{
    const Named *x = a, *y = b;
    size_t m = element_bytes(x->tensor->type), n = element_bytes(y->tensor->type);
    return m != n ? (m > n ? -1 : 1) : strcmp(x->name, y->name);
}

static void write_header(FILE *out, const Named *named, uint32_t count, const Object *metadata)
{
    JsonWriter w = {.file = out};
    uint64_t at = 0;
    json_begin_object(&w, NULL, JSON_TIGHT);
    if (metadata && metadata->count) { /* they stand first; without any there is no such key */
        json_begin_object(&w, "__metadata__", JSON_TIGHT);
        for (uint32_t i = 0; i < metadata->count; i++)
            json_put_text(&w, metadata->items[2 * i]->text, metadata->items[2 * i + 1]->text);
        json_end(&w);
    }
    for (uint32_t i = 0; i < count; i++) {
        const StoredTensor *t = named[i].tensor;
        uint64_t bytes = t->count * element_bytes(t->type);
        json_begin_object(&w, named[i].name, JSON_TIGHT);
        json_put_text(&w, "dtype", element_safetensors(t->type));
        json_begin_array(&w, "shape", JSON_TIGHT);
        for (int d = 0; d < t->rank; d++)
            json_put_integer(&w, NULL, t->shape[d]);
        json_end(&w);
        json_begin_array(&w, "data_offsets", JSON_TIGHT);
        json_put_integer(&w, NULL, (int64_t)at);
        json_put_integer(&w, NULL, (int64_t)(at + bytes));
        json_end(&w);
        json_end(&w);
        at += bytes;
    }
    json_end(&w);
}

static Status put_safetensors(Sink *sink, const Named *named, uint32_t count,
                              const Object *metadata, const TensorFetch *fetch)
{
    char *text = NULL;
    size_t length = 0;
    uint8_t size[8];
    FILE *out = open_memstream(&text, &length);
    CHECK(out);
    write_header(out, named, count, metadata);
    /* The data then begin at a multiple of 8, as the widest elements need. */
    while (ftell(out) % 8)
        fputc(' ', out);
    fclose(out);
    little_store(size, length, 8);
    Status status = sink_write(sink, size, 8);
    if (status == STATUS_OK)
        status = sink_write(sink, text, length);
    free(text);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = elements_write(sink, fetch, named[i].tensor);
    return status;
}

Status safetensors_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    CHECK(root->kind == OBJECT_DICT);
    Named *named = mem_alloc(root->count * sizeof *named);
    const Object *metadata = object_get(root, "__metadata__");
    uint32_t count = 0;
    uint64_t bytes = 0;
    /* Everything is looked at before the first byte is written. */
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < root->count && status == STATUS_OK; i++) {
        const Object *key = root->items[2 * i], *value = root->items[2 * i + 1];
        if (value == metadata)
            continue;
        /* A dict that is not flat has no place in this format. */
        if (key->kind != OBJECT_TEXT || value->kind != OBJECT_TENSOR)
            status = status_fail(STATUS_INPUT,
                                 "%s: header@8: %s cannot be written (only tensors by name)",
                                 sink->path, object_kind_name(value));
        else
            named[count++] = (Named){key->text, value->tensor};
        if (status == STATUS_OK)
            status = elements_count(sink, fetch, value->tensor, &bytes);
    }
    qsort(named, count, sizeof *named, by_alignment);
    if (status == STATUS_OK)
        status = put_safetensors(sink, named, count, metadata, fetch);
    free(named);
    return status;
}
