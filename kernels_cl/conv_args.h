/* Argument structs of the convolution kernels: one text for backend_opencl/conv*.c and conv_*.cl.
 *
 * The kernels know two tensors, "in" and "out", and one direction: FORWARD has in = x and out = y,
 * GRAD_DATA has in = dy and out = dx. A convolution with stride s backwards is s * s convolutions
 * of stride 1, one per phase (a, b) of the output: pixels (a + s i, b + s j), each with its own
 * taps. So both directions are
 *
 *     out(a + out_stride i, b + out_stride j) = sum over taps (t, u) of
 *         weight(t, u) in(i in_stride + t + row_base(a), j in_stride + u + col_base(b))
 *
 * with out_stride = 1 forward and in_stride = 1 backwards. */
#ifndef PACO_CONV_ARGS_H
#define PACO_CONV_ARGS_H

/* One direction of a convolution, seen by packing and computing kernels alike. */
typedef struct ConvShape {
    long in_image, in_block, out_image,
        out_block; /* elements from one image and channel block to the next */
    long w_tile;   /* elements from one tile of packed weights to the next */
    int in_channels, in_blocks, in_height, in_width;
    int out_channels, out_blocks, out_height, out_width;
    int in_group, out_group; /* channels per group */
    int R, S, pad, in_stride, out_stride;
    int tile_blocks; /* in-blocks that one tile of out-channels meets: all of its groups */
    int lanes;       /* in-channels multiplied per block: 16, or all of them when they are fewer (whole pairs) */
    int spread;      /* whether lane j of the weights is each out-channel's j-th of its own group: `lanes` is a group */
    int vecs, tiles; /* 16 * vecs out-channels are a tile; how many tiles */
} ConvShape;

typedef struct ConvBandArgs {
    ConvShape s;
    int row_pitch, col_pitch; /* rows of a band from one out-row to the next; column phases kept */
    int row_base, col_base;   /* first in-row and in-column of out-pixel (0, 0), all phases */
    int cols;                 /* columns of a band, per column phase */
    int rows, band_rows;      /* out-rows (per phase) and in-rows of a band */
    int item_tiles;           /* tiles of out-channels per work-item */
    int chunk;                /* in-blocks that fit in local memory at once */
    int parts, part_cols;     /* pieces of an out-row (of a phase), and out-columns of each: whole tiles */
    int relu, accumulate;
} ConvBandArgs;

typedef struct ConvPointArgs {
    ConvShape s;
    int pixels;      /* of an image */
    int item_pixels; /* per work-item, a multiple of the tile */
    int item_tiles;
    int relu, accumulate;
} ConvPointArgs;

/* Winograd's transformation of the 4 x 4 in-pixels that a square, 2 x 2 out-pixels, needs. */
enum { FREQUENCIES = 16 };

typedef struct ConvWinogradArgs {
    ConvShape s;
    int columns, height; /* squares of a row, rows of squares of an image */
    int rows;            /* rows of squares per work-item */
    int places;          /* squares of a work-item, rounded up to a multiple of the tile */
    int item_tiles;      /* tiles of out-channels per work-item */
    int relu, accumulate;
    int reserved;
} ConvWinogradArgs;

typedef struct ConvTileArgs {
    ConvShape s;
    int backward;
    int relu, accumulate;
    int reserved;
} ConvTileArgs;

typedef struct ConvPackArgs {
    ConvShape s;
    int backward; /* out-channels are C, in-channels K */
    int chunk;    /* in-blocks per work-item */
} ConvPackArgs;

/* The weight gradient: in = x, out = dy; tiles [splits][tiles][tile_blocks][R][taps][tile] in
 * workspace. */
typedef struct ConvWeightArgs {
    ConvShape s;
    long split_floats; /* floats of one split's tiles */
    int images;
    int row_pitch,
        col_pitch; /* in-rows and in-columns of a band from one out-row or -column to the next */
    int cols, rows, bands; /* in-columns and out-rows of a band, bands per image */
    int parts, part_cols;  /* bands side by side in an out-row, and out-columns of each */
    int group;             /* images whose only bands are taken together */
    int band_floats;       /* local memory of one image's band */
    int taps;              /* S * lanes, rounded up to the tile */
    int item_tiles, item_blocks;
    int splits;
} ConvWeightArgs;

typedef struct ConvWinogradWeightArgs {
    ConvShape s;
    long split_floats; /* floats of one split's sums */
    int images;
    int columns, height; /* squares of a row, rows of squares of an image */
    int rows, bands;     /* rows of squares of a band, bands per image */
    int group;           /* images whose only bands are taken together */
    int places;          /* squares of a band, or of a group's */
    int item_tiles, item_blocks;
    int splits;
} ConvWinogradWeightArgs;

typedef struct ConvUnpackArgs {
    ConvShape s;
    long split_floats;
    int taps, splits;
} ConvUnpackArgs;

#endif
