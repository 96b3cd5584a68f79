/* UTF-8 (RFC 3629). */
#ifndef PACO_BASE_UTF8_H
#define PACO_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed sequence that begins at s, of which `left` >= 1 bytes may be read; 0 when
 * it is malformed. */
size_t utf8_sequence(const char *s, size_t left);

#endif
