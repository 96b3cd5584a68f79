/* Convolutions as the kernels see them: checks, shapes, packed weights, operands. */
#include "conv.h"

#include "base/check.h"

enum { BLOCK = OPENCL_CHANNEL_BLOCK };

Status conv_check(const Step *step)
{
    const ConvDesc *d = &step->conv;
    CHECKF(d->N > 0 && d->C > 0 && d->K > 0 && d->H > 0 && d->W > 0 && d->R > 0 && d->S > 0 &&
               d->stride > 0 && d->pad >= 0 && d->groups > 0,
           "%s: sizes of a convolution are positive", step->name);
    CHECKF(d->C % d->groups == 0 && d->K % d->groups == 0, "%s: %d and %d channels in %d groups",
           step->name, d->C, d->K, d->groups);
    CHECKF(d->P == (d->H + 2 * d->pad - d->R) / d->stride + 1 && d->P > 0 &&
               d->Q == (d->W + 2 * d->pad - d->S) / d->stride + 1 && d->Q > 0,
           "%s: out-size %d x %d", step->name, d->P, d->Q);
    int64_t in = (int64_t)div_up(d->C, BLOCK) * BLOCK * d->H * d->W,
            out = (int64_t)div_up(d->K, BLOCK) * BLOCK * d->P * d->Q;
    if (in > INT32_MAX || out > INT32_MAX)
        return status_fail(STATUS_LIMIT,
                           "opencl: %s: an image of a convolution has more than 2^31 values",
                           step->name);
    return STATUS_OK;
}

int conv_spread_group(const ConvDesc *d)
{
    int group = d->C / d->groups;
    return d->groups > 1 && d->C == d->K && (group == 4 || group == 8) ? group : 0;
}

/* In-blocks that a tile of out-channels meets at most: those of all of its groups. */
static int most_blocks(const ConvShape *s)
{
    int most = 0;
    for (int tile = 0; tile < s->tiles; tile++) {
        int first = tile * s->vecs * BLOCK, last = min_int(first + s->vecs * BLOCK, s->out_channels) - 1;
        int begin = first / s->out_group * s->in_group / BLOCK;
        int end = ((last / s->out_group + 1) * s->in_group - 1) / BLOCK + 1;
        most = max_int(most, end - begin);
    }
    return most;
}

/* Floats of a tile of packed weights. */
static long packed_tile(const ConvShape *s, Packing packing)
{
    int columns = s->vecs * BLOCK;
    switch (packing) {
    case PACKING_WINOGRAD:
        return (long)s->in_blocks * FREQUENCIES * BLOCK * columns;
    case PACKING_SPREAD: /* a vector's own groups are all that it meets */
        return (long)s->R * s->S * s->lanes * columns;
    default:
        return (long)s->tile_blocks * s->R * s->S * s->lanes * columns;
    }
}

ConvShape conv_shape(const ConvDesc *d, ConvOp op, int vecs, Packing packing)
{
    bool back = op == CONV_GRAD_DATA;
    int in_channels = back ? d->K : d->C, out_channels = back ? d->C : d->K;
    int in_height = back ? d->P : d->H, in_width = back ? d->Q : d->W;
    int out_height = back ? d->H : d->P, out_width = back ? d->W : d->Q;
    ConvShape s = {
        .in_block = (long)in_height * in_width * BLOCK,
        .out_block = (long)out_height * out_width * BLOCK,
        .in_channels = in_channels,
        .in_blocks = div_up(in_channels, BLOCK),
        .in_height = in_height,
        .in_width = in_width,
        .out_channels = out_channels,
        .out_blocks = div_up(out_channels, BLOCK),
        .out_height = out_height,
        .out_width = out_width,
        .in_group = in_channels / d->groups,
        .out_group = out_channels / d->groups,
        .R = d->R,
        .S = d->S,
        .pad = d->pad,
        .in_stride = back ? 1 : d->stride,
        .out_stride = back ? d->stride : 1,
        .vecs = vecs,
    };
    s.in_image = s.in_block * s.in_blocks;
    s.out_image = s.out_block * s.out_blocks;
    s.tiles = div_up(s.out_blocks, vecs);
    s.tile_blocks = most_blocks(&s);
    s.lanes = packing == PACKING_SPREAD ? conv_spread_group(d) : min_int(in_channels, BLOCK);
    if (packing == PACKING_PAIRS)
        s.lanes = round_up(s.lanes, 2);
    s.spread = packing == PACKING_SPREAD;
    s.w_tile = packed_tile(&s, packing);
    return s;
}

uint64_t conv_packed_count(const ConvShape *s)
{
    return (uint64_t)s->tiles * (uint64_t)s->w_tile;
}

void conv_choose_packed(Step *step, const ConvShape *s, Packing packing)
{
    const ConvDesc *d = &step->conv;
    bool transformed = packing == PACKING_WINOGRAD; /* what was rounded is no longer */
    step->packed_bytes = (uint64_t)dtype_bytes(transformed ? DTYPE_F32 : d->type) * conv_packed_count(s);
    step->packed_layout = 1 + (uint64_t)s->vecs * 2 + ((uint64_t)d->op << 8) +
                          ((uint64_t)packing << 12) + ((uint64_t)d->stride << 16) +
                          ((uint64_t)d->pad << 32) + ((uint64_t)d->type << 48);
}

Status conv_refs(const Step *step, Prepared *prepared)
{
    const Ref none = {0};
    bool forward = step->conv.op == CONV_FORWARD;
    TRY(launch_ref(prepared, step->refs[0]));
    TRY(launch_ref(prepared, step->packed));
    TRY(launch_ref(prepared, forward && step->refs_count > 3 ? step->refs[3] : none));
    TRY(launch_ref(prepared, forward && step->refs_count > 4 ? step->refs[4] : none));
    return launch_ref(prepared, step->refs[2]);
}
