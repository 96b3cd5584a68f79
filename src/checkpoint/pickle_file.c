/* An array is pickled as a call of _reconstruct, whose state is (version, shape, dtype, Fortran
 * order, bytes), or in protocol 5 of _frombuffer(bytes, dtype, shape, order); the bytes are a
 * string of Python 2, bytes of Python 3, or, in protocol 2 of Python 3, a text to be encoded in
 * latin1. */
#include "checkpoint/pickle_file.h"

#include "base/arena.h"
#include "checkpoint/bytes/pool.h"
#include "checkpoint/bytes/source.h"
#include "checkpoint/objects/pickle.h"

#include <stdlib.h>
#include <string.h>

struct PickleFile {
    char *path;
    Source source;
    Pool pool;
    PickleResult pickle;
};

bool pickle_file_likely(const uint8_t *bytes, size_t size)
{
    return size > 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

static Status read_pickle(PickleFile *f, uint64_t most)
{
    Stream stream;
    PickleHooks hooks = {.blobs = most};
    TRY(source_open(&f->source, f->path));
    if (f->source.size > most)
        return status_fail(STATUS_LIMIT, "%s: too large (%llu vs at most %llu bytes)", f->path,
                           (unsigned long long)f->source.size, (unsigned long long)most);
    stream_open(&stream, &f->source, "pickle", 0, f->source.size);
    Status status = pickle_read(&f->pool, &stream, &hooks, &f->pickle);
    stream_close(&stream);
    return status;
}

Status pickle_file_open(const char *path, uint64_t most, PickleFile **out)
{
    PickleFile *f = mem_zero(1, sizeof *f);
    f->path = mem_string(path);
    f->source.fd = -1;
    Status status = read_pickle(f, most);
    if (status != STATUS_OK) {
        pickle_file_close(f);
        return status;
    }
    *out = f;
    return STATUS_OK;
}

void pickle_file_close(PickleFile *f)
{
    if (!f)
        return;
    pool_free(&f->pool);
    source_close(&f->source);
    free(f->path);
    free(f);
}

const Object *pickle_file_root(const PickleFile *f)
{
    return f->pickle.root;
}

/* ------------------------------------------------------------------------------------ arrays */

static bool is_call(const Object *o, const char *name, uint32_t arguments)
{
    return o->kind == OBJECT_CALL && object_is(o->call->callee, name) &&
           o->call->arguments->count >= arguments;
}

static bool is_uint8(const Object *dtype)
{
    const Object *name = is_call(dtype, "numpy.dtype", 1) ? dtype->call->arguments->items[0] : NULL;
    return name && (object_is(name, "u1") || object_is(name, "|u1"));
}

/* What an array is made of; `shape` is NULL where it is none. */
typedef struct Parts {
    const Object *shape, *dtype, *bytes;
} Parts;

static Parts parts_of(const Object *array)
{
    bool old = array && (is_call(array, "numpy.core.multiarray._reconstruct", 0) ||
                         is_call(array, "numpy._core.multiarray._reconstruct", 0));
    bool buffer = array && (is_call(array, "numpy.core.numeric._frombuffer", 4) ||
                            is_call(array, "numpy._core.numeric._frombuffer", 4));
    const Object *of = old ? array->call->state : buffer ? array->call->arguments : NULL;
    Object *const *item = of && of->kind == OBJECT_TUPLE ? of->items : NULL;
    if (item && old && of->count == 5 && item[3]->kind == OBJECT_BOOL && !item[3]->flag)
        return (Parts){item[1], item[2], item[4]};
    if (item && buffer && object_is(item[3], "C"))
        return (Parts){item[2], item[1], item[0]};
    return (Parts){0};
}

/* A text of latin1 as the bytes it stands for, into to[room]; how many, or -1. */
static int64_t from_latin1(const Object *text, uint8_t *to, int64_t room)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < text->count; i++, n++) {
        uint8_t b = (uint8_t)text->text[i];
        if (b > 0xc3 || n == room)
            return -1;
        if (b >= 0x80) /* two bytes of UTF-8, which the text is */
            b = (uint8_t)(b << 6 | ((uint8_t)text->text[++i] & 0x3f));
        to[n] = b;
    }
    return n;
}

/* Copies the bytes, which must be `size`. */
static Status copy_bytes(const PickleFile *f, const Object *from, uint8_t *to, int64_t size,
                         bool *good)
{
    const Object *text =
        is_call(from, "_codecs.encode", 2) ? from->call->arguments->items[0] : NULL;
    *good = true;
    if (from->kind == OBJECT_BLOB && from->count == size)
        return source_read(&f->source, (uint64_t)from->integer, to, (size_t)size);
    if ((from->kind == OBJECT_BYTES || from->kind == OBJECT_TEXT) && from->count == size)
        memcpy(to, from->text, (size_t)size);
    else
        *good = text && text->kind == OBJECT_TEXT && from_latin1(text, to, size) == size;
    return STATUS_OK;
}

/* What stands where an array of bytes [n, columns] should be. */
static Status no_array(const PickleFile *f, const Object *object, const Object *shape,
                       const char *what, int64_t columns)
{
    return status_fail(STATUS_INPUT, "%s: '%s' is %s (expected an array of bytes [n, %lld])",
                       f->path, what,
                       shape    ? "an array of another shape, order or type"
                       : object ? object_kind_name(object)
                                : "not there",
                       (long long)columns);
}

Status pickle_file_bytes(const PickleFile *f, const Object *array, const char *what,
                         int64_t columns, int64_t *rows, uint8_t **bytes)
{
    Parts parts = parts_of(array);
    const Object *shape = parts.shape;
    bool good = shape && shape->kind == OBJECT_TUPLE && shape->count == 2 &&
                shape->items[0]->kind == OBJECT_INT && shape->items[1]->kind == OBJECT_INT &&
                shape->items[1]->integer == columns && is_uint8(parts.dtype);
    *rows = good ? shape->items[0]->integer : 0;
    if (!good || *rows < 1 || *rows > (int64_t)(f->source.size / (uint64_t)columns))
        return no_array(f, array, shape, what, columns);
    uint8_t *to = malloc((size_t)(*rows * columns));
    if (!to)
        return status_fail(STATUS_LIMIT, "%s: no memory for %s", f->path, what);
    Status status = copy_bytes(f, parts.bytes, to, *rows * columns, &good);
    if (status == STATUS_OK && !good)
        status = status_fail(STATUS_INPUT, "%s: %s has other bytes than its shape says", f->path,
                             what);
    if (status != STATUS_OK)
        free(to);
    else
        *bytes = to;
    return status;
}
