/* Opcodes with their operands. Operands are little-endian, but floats are big-endian. */
#include "checkpoint/objects/emit.h"

#include "checkpoint/bytes/little.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(Emitter *e, size_t size)
{
    if (size <= e->room - e->size)
        return true;
    if (size > e->most || e->size > e->most - size)
        return false;
    size_t room = 2 * (e->size + size) + 4096;
    uint8_t *grown = realloc(e->bytes, room);
    if (!grown)
        return false;
    e->bytes = grown;
    e->room = room;
    return true;
}

/* Full stays full: what fits again after something that did not would make another pickle of it. */
void emit_bytes(Emitter *e, const void *bytes, size_t size)
{
    e->full = e->full || !make_room(e, size);
    if (e->full || size == 0)
        return;
    memcpy(e->bytes + e->size, bytes, size);
    e->size += size;
}

void emit_byte(Emitter *e, int byte)
{
    uint8_t b = (uint8_t)byte;
    emit_bytes(e, &b, 1);
}

static void emit_little(Emitter *e, uint64_t value, int bytes)
{
    uint8_t raw[8];
    little_store(raw, value, bytes);
    emit_bytes(e, raw, (size_t)bytes);
}

void emit_int(Emitter *e, int64_t value)
{
    bool small = value >= 0 && value < 256, medium = value >= 0 && value < 65536;
    if (small || medium || (value >= INT32_MIN && value <= INT32_MAX)) {
        emit_byte(e, small ? 'K' : medium ? 'M' : 'J');
        emit_little(e, (uint64_t)value, small ? 1 : medium ? 2 : 4);
        return;
    }
    /* In two's complement, of which eight bytes are always enough. */
    emit_bytes(e, "\x8a\x08", 2); /* LONG1 of eight bytes */
    emit_little(e, (uint64_t)value, 8);
}

void emit_float(Emitter *e, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    emit_byte(e, 'G');
    /* The one operand whose bytes come highest first. */
    for (int i = 7; i >= 0; i--)
        emit_byte(e, (int)(bits >> 8 * i & 255));
}

void emit_text(Emitter *e, const char *text, size_t length)
{
    emit_byte(e, 'X');
    emit_little(e, length, 4);
    emit_bytes(e, text, length);
}

void emitter_free(Emitter *e)
{
    free(e->bytes);
    *e = (Emitter){0};
}
