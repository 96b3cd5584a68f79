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

/* Wide elements first, then by name: every tensor is aligned to its elements. */
static int by_alignment(const void *a, const void *b)
{
    const NamedTensor *x = a, *y = b;
    size_t m = element_bytes(x->tensor->type), n = element_bytes(y->tensor->type);
    return m != n ? (m > n ? -1 : 1) : strcmp(x->name, y->name);
}

static void write_object(FILE *out, const NamedTensor *named, uint32_t count,
                         const Object *metadata)
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

char *safetensors_header(const NamedTensor *named, uint32_t count, const Object *metadata,
                         size_t *length)
{
    char *text = NULL;
    uint8_t size[8] = {0};
    FILE *out = open_memstream(&text, length);
    CHECK(out);
    fwrite(size, 1, sizeof size, out);
    write_object(out, named, count, metadata);
    /* The data then begin at a multiple of 8, as the widest elements need. */
    while (ftell(out) % 8)
        fputc(' ', out);
    fclose(out);
    little_store((uint8_t *)text, *length - sizeof size, 8);
    return text;
}

static Status put_safetensors(Sink *sink, const NamedTensor *named, uint32_t count,
                              const Object *metadata, const TensorFetch *fetch)
{
    size_t length;
    char *header = safetensors_header(named, count, metadata, &length);
    Status status = sink_write(sink, header, length);
    free(header);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = elements_write(sink, fetch, named[i].tensor);
    return status;
}

Status safetensors_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    CHECK(root->kind == OBJECT_DICT);
    NamedTensor *named = mem_alloc(root->count * sizeof *named);
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
            named[count++] = (NamedTensor){key->text, value->tensor};
        if (status == STATUS_OK)
            status = elements_count(sink, fetch, value->tensor, &bytes);
    }
    qsort(named, count, sizeof *named, by_alignment);
    if (status == STATUS_OK)
        status = put_safetensors(sink, named, count, metadata, fetch);
    free(named);
    return status;
}
