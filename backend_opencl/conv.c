/* Convolutions: checks, shapes, and the choice between kinds of kernels. */
#include "conv.h"

#include "base/check.h"

static Status conv_check(const Step *step)
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
    int64_t in = (int64_t)div_up(d->C, 16) * 16 * d->H * d->W,
            out = (int64_t)div_up(d->K, 16) * 16 * d->P * d->Q;
    if (in > INT32_MAX || out > INT32_MAX)
        return status_fail(STATUS_LIMIT,
                           "opencl: %s: an image of a convolution has more than 2^31 values",
                           step->name);
    return STATUS_OK;
}

ConvShape conv_shape(const ConvDesc *d, ConvOp op, int vecs)
{
    bool back = op == CONV_GRAD_DATA;
    int in_channels = back ? d->K : d->C, out_channels = back ? d->C : d->K;
    int in_height = back ? d->P : d->H, in_width = back ? d->Q : d->W;
    int out_height = back ? d->H : d->P, out_width = back ? d->W : d->Q;
    ConvShape s = {
        .in_block = (long)in_height * in_width * 16,
        .out_block = (long)out_height * out_width * 16,
        .in_channels = in_channels,
        .in_blocks = div_up(in_channels, 16),
        .in_height = in_height,
        .in_width = in_width,
        .out_channels = out_channels,
        .out_blocks = div_up(out_channels, 16),
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
    s.lanes = min_int(in_channels, 16);
    for (int tile = 0; tile < s.tiles; tile++) {
        int first = tile * vecs * 16, last = min_int(first + vecs * 16, out_channels) - 1;
        int begin = first / s.out_group * s.in_group / 16;
        int end = ((last / s.out_group + 1) * s.in_group - 1) / 16 + 1;
        s.tile_blocks = max_int(s.tile_blocks, end - begin);
    }
    s.w_tile = (long)s.tile_blocks * s.R * s.S * s.lanes * vecs * 16;
    return s;
}

uint64_t conv_packed_floats(const ConvShape *s)
{
    return (uint64_t)s->tiles * (uint64_t)s->w_tile;
}

uint64_t conv_layout(const ConvDesc *d, int vecs, int kernels)
{
    return 1 + (uint64_t)vecs * 2 + ((uint64_t)d->op << 8) + ((uint64_t)kernels << 12) +
           ((uint64_t)d->stride << 16) + ((uint64_t)d->pad << 32);
}

const char *conv_candidate(const Device *device, const Step *step, bool processor, int i)
{
    return processor ? conv_cpu_candidate(device, step, i) : conv_gpu_candidate(device, step, i);
}

Status conv_choose(Device *device, Step *step)
{
    TRY(conv_check(step));
    return on_processor(device, step) ? conv_cpu_choose(device, step)
                                      : conv_gpu_choose(device, step);
}

Status conv_prepare(Device *device, Step *step, Prepared *prepared)
{
    TRY(conv_check(step));
    CHECKF(!step->packed_bytes || step->packed.buf, "%s: packed weights are missing", step->name);
    CHECKF(!step->workspace_bytes || step->workspace.buf, "%s: workspace is missing", step->name);
    return on_processor(device, step) ? conv_cpu_prepare(device, step, prepared)
                                             : conv_gpu_prepare(device, step, prepared);
}
