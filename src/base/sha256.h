/* SHA-256 (FIPS 180-4), for manifests and the checksums of lists. */
#ifndef PACO_BASE_SHA256_H
#define PACO_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_TEXT = 65 };

typedef struct Sha256 {
    uint32_t state[8];
    uint64_t length;   /* bytes so far */
    uint8_t block[64]; /* the unfinished block: length % 64 bytes */
} Sha256;

void sha256_begin(Sha256 *sha);
void sha256_add(Sha256 *sha, const void *bytes, size_t size);
void sha256_end(Sha256 *sha, uint8_t digest[SHA256_BYTES]);
/* 64 hexadecimal digits and a zero. */
void sha256_text(const uint8_t digest[SHA256_BYTES], char text[SHA256_TEXT]);

#endif
