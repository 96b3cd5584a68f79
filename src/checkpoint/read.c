/* Reading tensors. One that is its whole storage is read once, its CRC computed on the way. A view
 * has its storage checked once, and then only the window it shows is read, in the order of the
 * file; a deflated storage is inflated whole and kept for the next view. */
#include "checkpoint/checkpoint.h"

#include "base/arena.h"
#include "checkpoint/bytes/crc.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/objects/document.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 256 * 1024,   /* bytes read, checked and converted at a time: stays in the cache */
    WINDOW = 1024 * 1024, /* bytes of a storage at hand for a view */
};

/* The bytes of a storage: all of them in memory, or a window that moves over the file. */
typedef struct Window {
    const Source *source;
    uint64_t offset, bytes; /* of the storage in the file */
    uint8_t *buffer, *held; /* held: the buffer, where it is the window's own */
    uint64_t at;            /* position of the buffer within the storage */
    size_t have;
} Window;

size_t checkpoint_tensor_bytes(const CheckpointTensor *tensor, ElementType type)
{
    return tensor->tensor ? (size_t)tensor->tensor->count * element_bytes(type) : 0;
}

static uint64_t bytes_of(const Storage *s)
{
    return s->count * element_bytes(s->type);
}

static Status open_storage(const Checkpoint *c, const Storage *s, Stream *stream)
{
    if (s->entry >= 0)
        return zip_stream(&c->zip, s->entry, stream);
    stream_open(stream, &c->source, c->format == CHECKPOINT_SAFETENSORS ? "data" : "storages",
                s->offset, bytes_of(s));
    return STATUS_OK;
}

/* Dimensions of one element say nothing by their stride. */
static bool is_contiguous(const StoredTensor *t)
{
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0 && t->count; i--) {
        if (t->shape[i] != 1 && t->stride[i] != stride)
            return false;
        stride *= t->shape[i];
    }
    return true;
}

/* Converts `count` elements, turned round first where the file is big-endian. */
static void emit(const Checkpoint *c, ElementType type, const uint8_t *from, ElementType into,
                 uint8_t *to, size_t count)
{
    uint8_t turned[4096];
    size_t size = element_bytes(type);
    if (!c->big_endian || size == 1) {
        element_convert(type, from, into, to, count);
        return;
    }
    for (size_t n; count; count -= n, from += n * size, to += n * element_bytes(into)) {
        n = count < sizeof turned / size ? count : sizeof turned / size;
        memcpy(turned, from, n * size);
        element_swap(type, turned, n);
        element_convert(type, turned, into, to, n);
    }
}

/* The whole storage in one pass: read, CRC, convert. */
static Status read_whole(Checkpoint *c, const CheckpointTensor *ct, ElementType into, uint8_t *out)
{
    const StoredTensor *t = ct->tensor;
    Storage *s = t->storage->same;
    /* A bool may be another byte than 0 and 1 in the file; all else may go to its place as it
     * is. */
    bool direct = t->type == into && !c->big_endian && into != ELEMENT_BOOL;
    uint8_t *chunk = direct ? NULL : mem_alloc(CHUNK);
    uint32_t crc = 0;
    Stream stream;
    Status status = open_storage(c, s, &stream);
    if (status != STATUS_OK) {
        free(chunk);
        return status;
    }
    stream.key = ct->key;
    while (status == STATUS_OK && stream_left(&stream)) {
        size_t n = stream_left(&stream) < CHUNK ? (size_t)stream_left(&stream) : CHUNK;
        uint8_t *to = direct ? out : chunk;
        status = stream_read(&stream, to, n);
        if (status != STATUS_OK)
            break;
        if (s->entry >= 0)
            crc = crc_add(crc, to, n);
        if (!direct)
            emit(c, t->type, chunk, into, out, n / element_bytes(t->type));
        out += n / element_bytes(t->type) * element_bytes(into);
    }
    if (status == STATUS_OK)
        status = stream_finish(&stream);
    stream_close(&stream);
    free(chunk);
    if (status == STATUS_OK && s->entry >= 0)
        status = zip_check_crc(&c->zip, s->entry, crc, ct->key);
    /* The CRC has been computed on the way. */
    s->verified = s->verified || status == STATUS_OK;
    return status;
}

static Status window_get(Window *w, uint64_t position, size_t bytes, const uint8_t **place)
{
    /* Forwards as a rule: a view's dimensions are ordered so. */
    if (position < w->at || position + bytes > w->at + w->have) {
        size_t n = w->bytes - position < WINDOW ? (size_t)(w->bytes - position) : WINDOW;
        w->have = 0;
        TRY(source_read(w->source, w->offset + position, w->buffer, n));
        w->at = position;
        w->have = n;
    }
    *place = w->buffer + (position - w->at);
    return STATUS_OK;
}

static Status verify_storage(Checkpoint *c, Storage *s, const char *key)
{
    if (s->entry >= 0 && !s->verified)
        TRY(zip_verify(&c->zip, s->entry, key));
    s->verified = true;
    return STATUS_OK;
}

/* Inflates a whole storage and checks it on the way. */
static Status inflate_storage(Checkpoint *c, Storage *s, const char *key, uint8_t *to)
{
    Stream stream;
    uint64_t bytes = bytes_of(s);
    TRY(open_storage(c, s, &stream));
    stream.key = key;
    Status status = stream_read(&stream, to, (size_t)bytes);
    if (status == STATUS_OK)
        status = stream_finish(&stream);
    stream_close(&stream);
    TRY(status);
    TRY(zip_check_crc(&c->zip, s->entry, crc_add(0, to, (size_t)bytes), key));
    s->verified = true;
    return STATUS_OK;
}

/* The deflated storage in memory: the last one stays there, for views of one storage come together.
 */
static Status keep_inflated(Checkpoint *c, Storage *s, const char *key)
{
    uint64_t bytes = bytes_of(s);
    Place place = {c->source.path, c->zip.entries[s->entry].name, s->offset, key};
    if (c->inflated_of == s)
        return STATUS_OK;
    if (bytes > LIMIT_INFLATED)
        return place_fail(STATUS_LIMIT, &place,
                          "a view of a deflated record of %llu bytes (limit %d MiB): "
                          "store it without compression",
                          (unsigned long long)bytes, LIMIT_INFLATED >> 20);
    c->inflations += bytes;
    if (c->inflations > LIMIT_INFLATIONS * document_most_bytes(c))
        return place_fail(STATUS_LIMIT, &place,
                          "views of deflated records cost too much: store it without compression");
    free(c->inflated);
    c->inflated_of = NULL;
    if (!(c->inflated = malloc((size_t)bytes + 1)))
        return place_fail(STATUS_LIMIT, &place, "no memory for %llu bytes",
                          (unsigned long long)bytes);
    TRY(inflate_storage(c, s, key, c->inflated));
    c->inflated_of = s;
    return STATUS_OK;
}

/* A deflated storage is in memory whole; of a stored one a window is made ready, once its bytes are
 * checked. */
static Status window_open(Checkpoint *c, Storage *s, const char *key, Window *w)
{
    *w = (Window){.source = &c->source, .offset = s->offset, .bytes = bytes_of(s)};
    if (s->entry >= 0 && c->zip.entries[s->entry].deflated) {
        TRY(keep_inflated(c, s, key));
        w->buffer = c->inflated;
        w->have = (size_t)w->bytes;
        return STATUS_OK;
    }
    TRY(verify_storage(c, s, key));
    w->buffer = w->held = mem_alloc(WINDOW);
    return STATUS_OK;
}

/* Dimensions in the order of their strides, largest first, so that the file is read forwards. */
static void order_dimensions(const StoredTensor *t, int order[LIMIT_RANK])
{
    for (int i = 0; i < t->rank; i++) {
        int at = i;
        for (; at > 0 && t->stride[order[at - 1]] < t->stride[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

/* Copies every element of a view to its place in C order. */
static Status gather(const Checkpoint *c, const StoredTensor *t, Window *w, ElementType into,
                     uint8_t *out)
{
    int order[LIMIT_RANK], n = t->rank;
    uint64_t index[LIMIT_RANK] = {0},
             step[LIMIT_RANK]; /* output elements per step of a dimension */
    size_t size = element_bytes(t->type), into_size = element_bytes(into);
    uint64_t from = t->start, to = 0, run = 1;
    order_dimensions(t, order);
    for (uint64_t i = (uint64_t)n, product = 1; i-- > 0; product *= (uint64_t)t->shape[i])
        step[i] = product;
    /* A last dimension that is contiguous on both sides goes in runs. */
    int inner = n ? order[n - 1] : 0;
    if (n && t->stride[inner] == 1 && step[inner] == 1 &&
        (uint64_t)t->shape[inner] * size <= WINDOW) {
        run = (uint64_t)t->shape[inner];
        n--;
    }
    /* An odometer over all dimensions but the run: `from` counts in the storage, `to` in the
     * result. */
    for (uint64_t done = 0; done < t->count; done += run) {
        const uint8_t *place = NULL;
        TRY(window_get(w, from * size, (size_t)run * size, &place));
        emit(c, t->type, place, into, out + to * into_size, (size_t)run);
        for (int i = n - 1; i >= 0; i--) {
            int d = order[i];
            from += (uint64_t)t->stride[d];
            to += step[d];
            if (++index[d] < (uint64_t)t->shape[d])
                break;
            index[d] = 0;
            from -= (uint64_t)t->stride[d] * (uint64_t)t->shape[d];
            to -= step[d] * (uint64_t)t->shape[d];
        }
    }
    return STATUS_OK;
}

/* A contiguous view: one stretch of the storage. */
static Status copy_range(const Checkpoint *c, const StoredTensor *t, Window *w, ElementType into,
                         uint8_t *out)
{
    size_t size = element_bytes(t->type), most = CHUNK / size;
    for (uint64_t done = 0, n; done < t->count; done += n) {
        const uint8_t *place = NULL;
        n = t->count - done < most ? t->count - done : most;
        TRY(window_get(w, (t->start + done) * size, (size_t)n * size, &place));
        emit(c, t->type, place, into, out + done * element_bytes(into), (size_t)n);
    }
    return STATUS_OK;
}

Status checkpoint_read(Checkpoint *c, const CheckpointTensor *ct, ElementType type, void *out)
{
    const StoredTensor *t = ct->tensor;
    if (!t)
        return checkpoint_fail(c, ct->key, "%.120s is not supported", ct->why);
    if (!element_converts(t->type, type))
        return checkpoint_fail(c, ct->key, "is %s (cannot become %s)", element_name(t->type),
                               element_name(type));
    Storage *s = t->storage->same;
    bool contiguous = is_contiguous(t);
    if (s->memory) { /* of the pickle: contiguous, in this machine's order */
        element_convert(t->type, (const uint8_t *)s->memory + t->start * element_bytes(t->type),
                        type, out, (size_t)t->count);
        return STATUS_OK;
    }
    if (contiguous && t->start == 0 && t->count * element_bytes(t->type) == bytes_of(s))
        return read_whole(c, ct, type, out);
    if (t->count == 0)
        return verify_storage(c, s, ct->key);
    Window window;
    Status status = window_open(c, s, ct->key, &window);
    if (status == STATUS_OK)
        status =
            contiguous ? copy_range(c, t, &window, type, out) : gather(c, t, &window, type, out);
    free(window.held);
    return status;
}

Status checkpoint_verify(Checkpoint *c)
{
    bool *done = mem_zero(c->zip.count, sizeof *done);
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < c->count && status == STATUS_OK; i++) {
        Storage *s = c->tensors[i].tensor ? c->tensors[i].tensor->storage->same : NULL;
        if (!s || s->entry < 0)
            continue;
        status = verify_storage(c, s, c->tensors[i].key);
        done[s->entry] = true;
    }
    for (uint32_t i = 0; i < c->zip.count && status == STATUS_OK; i++)
        if (!done[i])
            status = zip_verify(&c->zip, i, NULL);
    free(done);
    return status;
}
