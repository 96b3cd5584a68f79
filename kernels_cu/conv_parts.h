/* What surrounds a convolution of cuDNN: one text for the host and the kernels of conv_parts.cuh. */
#ifndef PACO_CONV_PARTS_H
#define PACO_CONV_PARTS_H

/* X(name, refs) */
#define CONV_PART_LIST(X)                                                                          \
    X(conv_part_pack, 2)   /* w, packed */                                                         \
    X(conv_part_unpack, 2) /* packed, dw */                                                        \
    X(conv_part_finish, 3) /* y, bias or absent, residual or absent */

enum {
#define X(name, refs) PART_##name,
    CONV_PART_LIST(X)
#undef X
};

/* Weights [K][C][area] of parameters, and [..][padded_C][area] as cuDNN reads them, `padded` in all;
 * the result has `pixels` pixels of `width` channels, `channels` of them real. */
typedef struct ConvPartArgs {
    long padded, pixels;
    int K, C, padded_C, area;
    int channels, width;
    int relu;
    float unscale; /* times gradients of weights: what cuDNN divided them by (device_grad_scale) */
} ConvPartArgs;

#endif
