/* Convolution steps of a backend against plain loops with double sums: every operation of a shape, with bias, residual,
 * ReLU and accumulation, behind guard bytes, run twice. */
#ifndef PACO_TESTS_SUPPORT_CONV_H
#define PACO_TESTS_SUPPORT_CONV_H

#include "support_device.h"

/* How shapes are run now, and what ran. */
typedef struct ConvTrials {
    TestDevice device;
    DType stored;  /* of images and their gradients, and of weights in use */
    int candidate; /* not negative: steps run this one of the backend's algorithms, if there are so many */
    const char *only; /* of these, those whose names begin so; NULL: all */
    int tiles; /* of these, so many of each method, whose names differ in what is behind the last dash; 0: all */
    int candidates_run, cases_run;
} ConvTrials;

extern ConvTrials conv;

/* One shape through all operations and epilogues. */
void check_shape(int N, int C, int H, int W, int K, int R, int S, int stride, int pad, int groups);
/* Runs the shapes through every algorithm of the backend, by its number, or the first PACO_TEST_CANDIDATES of them; how
 * many there were. */
int each_candidate(void (*shapes)(void));

/* Elements of N images of C channels with the padding of the device's layout, and which of them channel c, pixel i of
 * image n is. */
size_t conv_elements(int N, int C, int pixels);
size_t conv_place(int n, int c, int i, int C, int pixels);
/* Images on the device: elements of conv.stored, in its layout. */
Operand conv_operand(const float *plain, int N, int C, int pixels);
/* Words of 4 bytes that so many elements take. */
size_t conv_words(size_t elements);
/* Makes floats of `n` elements that lie packed at the beginning of `values`. */
void conv_widen(float *values, size_t n);

#endif
