/* Support of the malformed-file tests: running one, building the sound files that are then spoilt.
 * Each such test program opens a file and, where that works, reads every tensor and verifies every
 * record: its status is the first failure. */
#ifndef PACO_TESTS_SUPPORT_MALFORMED_H
#define PACO_TESTS_SUPPORT_MALFORMED_H

#include "checkpoint/checkpoint.h"
#include "support_checkpoint.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

extern const float ramp[16]; /* 1 to 16: elements of tensors */

/* Opens and reads everything, then uses it in every way (support_uses.h); options NULL: without warnings. The status is
 * that of reading. */
Status run(const char *name, const uint8_t *bytes, size_t size, const CheckpointOptions *options);
/* Runs the bytes (and frees them): the status must be `wanted`, and both parts (where given) in the
 * message, which is one line with file and offset. Large files are opened again from disk in a
 * process of their own, which may take at most 64 MiB. */
void expect(const char *id, Bytes bytes, Status wanted, const char *part, const char *other);

/* PROTO 2. */
void begin(Bytes *p);
/* {'w': float tensor of four elements, record 0}. */
Bytes good_pickle(bool legacy);
/* A zip around a pickle, which is freed, with data/0 of `size` bytes (NULL: without). */
Bytes zip_of(Bytes pickle, const void *data, size_t size);
/* The zip of good_pickle. */
Bytes good_zip(void);
/* A zip whose pickle is these opcodes behind PROTO. */
Bytes zip_of_ops(const char *ops, size_t size);
#define OPS(text) zip_of_ops((text), sizeof(text) - 1)
/* Writes a little-endian number over bytes. */
void put(Bytes *b, size_t at, uint64_t value, int count);
/* Sizes and strides. */
#define D(...) (int64_t[]){__VA_ARGS__}

/* At the begin of main: whether this is the child that measures memory, and its exit code. */
bool malformed_child(int argc, char **argv, int *code);
/* Group teardown: says how many files, how slow, how much memory; a failure when one took over 20
 * seconds, which only a hang does. */
int malformed_report(void **state);

#endif
