/* Types and layout: what lies where within one value on a device. */
#ifndef PACO_PLAN_TYPES_H
#define PACO_PLAN_TYPES_H

#include "device/backend.h"
#include "graph/graph.h"

/* N, C and pixels of an activation of rank 2 or 4. */
typedef struct Shape {
    int N, C, HW;
} Shape;
Shape shape_of(const Value *value);

/* Where an activation's elements lie: [N][width / block][H W][block], zeros beyond C. */
typedef struct Layout {
    int N, C, HW;
    int block; /* channels of a pixel that lie together: the device's block, or all of them */
    int width; /* channels with padding, a multiple of block */
    int tiles; /* parts of a pixel's channels that a work-item or a team takes: CHANNEL_TILE each,
                  the last may be less */
    int64_t count; /* elements, padding included */
} Layout;

/* Channels of a tile: SPAN of kernels_cl/team.h. */
enum { CHANNEL_TILE = 16 };

/* The layout of an activation, images or features, on a device. */
Layout layout_of(const DeviceInfo *info, const Value *value);

#endif
