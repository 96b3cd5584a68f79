/* The numbers that golden files are made of: every weight, image, label and permutation is a
 * formula of its name (paco_oracle.py: bits, uniform, integers, permutation). */
#ifndef PACO_VERIFY_ORACLE_NUMBERS_H
#define PACO_VERIFY_ORACLE_NUMBERS_H

#include <stdint.h>

/* Value i of the stream `name`. */
uint64_t oracle_bits(const char *name, uint64_t seed, uint64_t i);
/* n values in [-1, 1), multiples of 2^-23. */
void oracle_uniform(const char *name, uint64_t seed, int64_t n, double *out);
/* n integers in [0, below). */
void oracle_integers(const char *name, uint64_t seed, int64_t n, uint32_t below, int32_t *out);
/* The stable argsort of n values of the stream. */
void oracle_permutation(const char *name, uint64_t seed, int32_t n, int32_t *out);
/* n rows of length d: uniform values scaled to unit length, rounded to float32. */
void oracle_unit_rows(const char *name, uint64_t seed, int64_t n, int64_t d, double *out);

#endif
