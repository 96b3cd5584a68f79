/* CRC-32C (Castagnoli; RFC 3720, B.4): what storage and record files call so; zlib's is another. */
#ifndef PACO_BASE_CRC32C_H
#define PACO_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t size);

#endif
