/* Little-endian numbers, from bytes and into bytes: what formats say of
 * themselves is little-endian, whatever the machine. Places need no alignment. */
#ifndef PACO_CHECKPOINT_BYTES_LITTLE_H
#define PACO_CHECKPOINT_BYTES_LITTLE_H

#include <stdbool.h>
#include <stdint.h>

static inline uint16_t little16(const uint8_t *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t little32(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t little64(const uint8_t *b)
{
    return little32(b) | (uint64_t)little32(b + 4) << 32;
}

/* Writes the lowest `bytes` (1 to 8) bytes of a number. */
static inline void little_store(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Whether this machine's own numbers are little-endian: elements are written as they lie. */
static inline bool little_is_native(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one;
}

#endif
