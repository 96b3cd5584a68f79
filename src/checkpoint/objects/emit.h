/* Emitter: opcodes of a pickle (protocol 2) into memory. It grows up to a bound and from there on
 * takes nothing more: whoever emits looks at `full` when it suits him. It knows numbers and texts;
 * objects are pickle_write.c's. */
#ifndef PACO_CHECKPOINT_OBJECTS_EMIT_H
#define PACO_CHECKPOINT_OBJECTS_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Emitter {
    uint8_t *bytes; /* [size]; malloc'd */
    size_t size, room;
    size_t most; /* bytes there may be */
    bool full;   /* it would be more than that, or than there is memory for */
} Emitter;

void emit_bytes(Emitter *e, const void *bytes, size_t size);
void emit_byte(Emitter *e, int byte);
/* The shortest opcode for an integer, and its value. */
void emit_int(Emitter *e, int64_t value);
void emit_float(Emitter *e, double value);
void emit_text(Emitter *e, const char *text, size_t length);
void emitter_free(Emitter *e);

#endif
