/* Tiles of work-groups: what convolutions and matrix products on GPUs share. A group makes
 * how->rows x how->vecs * 16 values, each work-item how->item_rows x 4 of them. */
#ifndef PACO_OPENCL_GROUP_H
#define PACO_OPENCL_GROUP_H

#include "algorithm.h"

enum {
    GROUP_DEPTH = 16, /* steps of the sum that lie in local memory at once: DEPTH of the kernels */
    EACH_GROUP = 64,  /* work-items of a group where each makes one value */
};

/* Work-items of a group. */
size_t group_threads(const Algorithm *how);
/* Whether the device has groups so large, and `local` bytes of local memory for each. */
bool group_fits(const Device *device, const Algorithm *how, size_t local);
/* STATUS_DEVICE where it has not; what: the kernels' name for the user. */
Status group_check(const Device *device, const Step *step, const Algorithm *how, size_t local,
                   const char *what);
/* Items for `count` values, one each: whole groups. */
size_t group_each(uint64_t count);

#endif
