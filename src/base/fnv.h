/* FNV-1a, 64 bits: a hash of bytes that is the same on every machine. For names, checksums of data
 * sets and comparing contents; anyone can make two texts with one hash, so it protects nothing. */
#ifndef PACO_BASE_FNV_H
#define PACO_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

/* The hash of nothing. */
#define FNV_BEGIN UINT64_C(0xCBF29CE484222325)

/* The hash of what `h` stands for, followed by these bytes. */
static inline uint64_t fnv_add(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001B3);
    return h;
}

#endif
