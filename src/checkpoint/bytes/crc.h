/* CRC-32 as zip has it (zlib's polynomial), with the processor's carry-less multiplication where it
 * has one: ten times zlib's speed, so that checking costs less than reading. */
#ifndef PACO_CHECKPOINT_BYTES_CRC_H
#define PACO_CHECKPOINT_BYTES_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what `crc` stands for (0: nothing) followed by these bytes. */
uint32_t crc_add(uint32_t crc, const void *bytes, size_t size);

#endif
