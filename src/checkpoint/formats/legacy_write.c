/* The legacy stream: magic number, protocol and system pickles, the object, the list of storage
 * keys, then each storage as a count and its raw elements. All pickles are made in memory first. */
#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/writers.h"
#include "checkpoint/objects/pickle_write.h"

#include <string.h>

/* Magic number, protocol 1001, and the system that writes. */
static void emit_preamble(Emitter *e)
{
    /* Two whole pickles and the beginning of the third, a dict. */
    emit_bytes(e, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    emit_bytes(e, "\x80\x02M\xe9\x03.\x80\x02}(", 10);
    emit_text(e, "protocol_version", strlen("protocol_version"));
    emit_int(e, 1001);
    emit_text(e, "little_endian", strlen("little_endian"));
    emit_byte(e, little_is_native() ? 0x88 : 0x89);
    emit_bytes(e, "u.", 2);
}

/* The list of all keys, one APPEND each. */
static void emit_keys(PickleWriter *w)
{
    emit_bytes(&w->out, "\x80\x02]", 3);
    for (uint32_t i = 0; i < w->records.count; i++) {
        pickle_write_key(w, i);
        emit_byte(&w->out, 'a');
    }
    emit_byte(&w->out, '.');
}

/* Each storage: the number of its elements, then they. */
static Status put_storages(Sink *sink, const PickleWriter *w)
{
    for (uint32_t i = 0; i < w->records.count; i++) {
        const StoredTensor *t = w->records.tensors[i];
        uint8_t count[8];
        little_store(count, t->count, 8);
        TRY(sink_write(sink, count, sizeof count));
        TRY(elements_write(sink, w->fetch, t));
    }
    return STATUS_OK;
}

Status legacy_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    PickleWriter w = pickle_writer(sink, fetch, true);
    emit_preamble(&w.out);
    Status status = pickle_write(&w, root);
    emit_keys(&w);
    if (status == STATUS_OK && w.out.full)
        status = pickle_full(&w);
    if (status == STATUS_OK)
        status = sink_write(sink, w.out.bytes, w.out.size);
    if (status == STATUS_OK)
        status = put_storages(sink, &w);
    pickle_writer_free(&w);
    return status;
}
