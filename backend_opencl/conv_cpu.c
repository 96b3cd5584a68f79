/* Convolutions on processors: what their forms have in common. Expected worth, packing, launches;
 * sums of weight gradients. */
#include "conv.h"

#include "dot.h"
#include "program.h"

#include <stdio.h>

double conv_group_worth(const ConvDesc *d, ConvOp op, int vecs, Packing packing)
{
    ConvShape s = conv_shape(d, op, vecs, packing);
    return (double)s.in_group / (s.tile_blocks * s.lanes);
}

double conv_cpu_worth(const Device *device, const ConvDesc *d, const Algorithm *how, double zeros)
{
    int blocks = div_up(d->op == CONV_GRAD_DATA ? d->C : d->K, 16);
    return how->worth[device->narrow] * blocks / round_up(blocks, how->vecs) * zeros;
}

int conv_split_tiles(const Device *device, int tiles, int others)
{
    int wanted = div_up(ITEMS_PER_UNIT * (int)device->info.units, others);
    return div_up(tiles, min_int(wanted, tiles));
}

void conv_cpu_choose(Step *step, const Algorithm *how)
{
    Packing packing = how->method->packing;
    ConvShape s = conv_shape(&step->conv, step->conv.op, how->vecs, packing);
    conv_choose_packed(step, &s, packing);
}

const char *conv_stored(const ConvDesc *d, Packing packing)
{
    return packing == PACKING_PAIRS ? DOT_OPTIONS : program_stored(d->type);
}

const char *conv_cpu_options(const ConvDesc *d, Packing packing, int tile, int vecs,
                             ConvOptions text)
{
    int n = snprintf(text, sizeof(ConvOptions), "-DLANES=16 -DTILE=%d -DVECS=%d%s", tile, vecs,
                     conv_stored(d, packing));
    if (packing == PACKING_SPREAD)
        snprintf(text + n, sizeof(ConvOptions) - (size_t)n, " -DGROUP=%d", conv_spread_group(d));
    if (packing == PACKING_WINOGRAD && d->type != DTYPE_F32)
        snprintf(text + n, sizeof(ConvOptions) - (size_t)n, " -DFLOAT_WEIGHTS");
    return text;
}

Status conv_cpu_launch(const Step *step, const Algorithm *how, const char *file, const char *kernel,
                       const int items[3], Prepared *prepared)
{
    ConvOptions options;
    conv_cpu_options(&step->conv, how->method->packing, how->rows, how->vecs, options);
    TRY(launch_add_items(prepared, file, options, kernel, items));
    return conv_refs(step, prepared);
}

Status conv_cpu_pack(const Device *device, const Step *step, const Algorithm *how, const char *file,
                     const char *options, const char *kernel, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    ConvPackArgs a = {.s = conv_shape(d, d->packed_for, how->vecs, how->method->packing),
                      .backward = d->packed_for == CONV_GRAD_DATA};
    int wanted = max_int(1, 8 * (int)device->info.units / a.s.tiles);
    a.chunk = div_up(a.s.tile_blocks, min_int(wanted, a.s.tile_blocks));
    int items[3] = {a.s.tiles, div_up(a.s.tile_blocks, a.chunk), 1};
    TRY(launch_add_items(prepared, file, options, kernel, items));
    TRY(launch_ref(prepared, step->refs[0]));
    TRY(launch_ref(prepared, step->refs[1]));
    return launch_value(prepared, &a, sizeof a);
}

/* ---- sums of weight gradients */

/* Two, where registers are wide and the second vector is not padding or another group's zeros. */
int conv_sums_vecs(const Device *device, const ConvDesc *d)
{
    if (device->narrow)
        return 1;
    int blocks = div_up(d->K, 16);
    double one = conv_group_worth(d, CONV_GRAD_WEIGHT, 1, PACKING_ITEMS),
           two = conv_group_worth(d, CONV_GRAD_WEIGHT, 2, PACKING_ITEMS);
    return two * blocks / round_up(blocks, 2) > 0.95 * one ? 2 : 1;
}

int conv_sums_tile(const Device *device, int vecs)
{
    return device->narrow ? 4 : vecs == 2 ? 8 : 16;
}

int conv_splits(const Device *device, int pairs, int units)
{
    return min_int(div_up(ITEMS_PER_UNIT * (int)device->info.units, pairs), units);
}

uint64_t conv_sums_bytes(const ConvSums *sums)
{
    return sizeof(float) * (uint64_t)sums->unpack.split_floats * (uint64_t)sums->unpack.splits;
}

Status conv_sums_launch(const Step *step, const ConvSums *sums, ConvKernel add, const void *args,
                        size_t args_bytes, ConvKernel unpack, Prepared *prepared)
{
    const ConvUnpackArgs *u = &sums->unpack;
    int items[3] = {u->s.tiles, u->s.tile_blocks, 1};
    TRY(launch_add_items(prepared, add.file, add.options, add.name, sums->items));
    TRY(launch_ref(prepared, step->refs[0]));
    TRY(launch_ref(prepared, step->refs[1]));
    TRY(launch_ref(prepared, step->workspace));
    if (sums->local)
        TRY(launch_local(prepared, sums->local));
    TRY(launch_value(prepared, args, args_bytes));
    TRY(launch_add_items(prepared, unpack.file, unpack.options, unpack.name, items));
    TRY(launch_ref(prepared, step->workspace));
    TRY(launch_ref(prepared, step->refs[2]));
    return launch_value(prepared, u, sizeof *u);
}
