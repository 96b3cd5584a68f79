/* A named algorithm: a row of the table in algorithms.c, and what makes launches of it. */
#ifndef PACO_OPENCL_ALGORITHM_H
#define PACO_OPENCL_ALGORITHM_H

#include "launch.h"

/* How an algorithm wants its weights packed. Of one weight and direction, copies for equal packings
 * and widths are equal. */
typedef enum Packing {
    PACKING_ITEMS,    /* [tile][phase][block][tap][lane][16 * vecs], by conv_pack */
    PACKING_PAIRS,    /* the same in pairs of lanes: [lane / 2][16 * vecs][2], by DOT_BF16 */
    PACKING_GROUPS,   /* as ITEMS, by conv_pack_each */
    PACKING_WINOGRAD, /* transformed: [tile][block][frequency][lane][16 * vecs] */
    PACKING_SPREAD,   /* as ITEMS, but lane j is each out-channel's j-th of its own group */
} Packing;

typedef struct Algorithm Algorithm;

/* What the rows of one method share. The functions see steps of the operations that it serves, and
 * of a PACK step that of the convolution it packs for. */
typedef struct Method {
    unsigned serves; /* bit i: AlgorithmOp i */
    bool processor;  /* few items with long loops; else work-groups */
    Packing packing;
    /* Whether the device can run the step with it. */
    bool (*applies)(const Device *device, const Step *step, const Algorithm *how);
    /* What speed to expect, in a measure of those of its kind that serve the operation: where none
     * is asked for the best of them runs, of equals the first. */
    double (*worth)(const Device *device, const Step *step, const Algorithm *how);
    /* Whether most of it would do nothing, so that it need not be measured. NULL: never. */
    bool (*idles)(const Step *step, const Algorithm *how);
    /* Fills the step's packed and workspace members. STATUS_LIMIT or STATUS_DEVICE, with what is
     * too large, where it cannot run. */
    Status (*choose)(const Device *device, Step *step, const Algorithm *how);
    /* Appends the launches of the step. */
    Status (*prepare)(const Device *device, const Step *step, const Algorithm *how,
                      Prepared *prepared);
    /* Appends those of the PACK step before it. NULL: it packs nothing. */
    Status (*pack)(const Device *device, const Step *step, const Algorithm *how,
                   Prepared *prepared);
} Method;

struct Algorithm {
    const char *family; /* "cpu-band": what --kernels may force, whatever the tile */
    const char *name;   /* "cpu-band-14x2" */
    const Method *method;
    int rank; /* place in the order of preference, where the method knows of nothing better */
    /* The tile: of registers, on processors, or of a work-group. */
    int rows, vecs; /* rows (pixels, taps, ...) by vectors of sixteen columns */
    int item_rows;  /* of a work-group's: those of each work-item, four columns wide */
    /* Processors: worth of the tile relative to the best, where registers hold sixteen floats, and
     * where a vector takes several (by Device.narrow; measured on AVX-512 and AVX2). */
    double worth[2];
};

#endif
