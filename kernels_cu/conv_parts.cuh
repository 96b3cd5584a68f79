/* What surrounds a convolution of cuDNN (conv_parts.h). */
#include "conv_parts.h"

/* Master weights, rounded to what images are stored in, zeros where channels are padding. A thread per element. */
KERNEL void conv_part_pack(CREF(float, w), REF(act, packed), ConvPartArgs a)
{
    PLACE(const float, w);
    PLACE(act, packed);
    for (long i = ITEM(0); i < a.padded; i += ITEMS(0)) {
        const long row = i / a.area, k = row / a.padded_C, c = row % a.padded_C;
        const bool real = k < a.K && c < a.C;
        STORE1(packed + i, real ? w[(k * a.C + c) * a.area + i % a.area] : 0.0f);
    }
}

/* Gradients of weights as float32, without those of padding. */
KERNEL void conv_part_unpack(CREF(act, packed), REF(float, dw), ConvPartArgs a)
{
    PLACE(const act, packed);
    PLACE(float, dw);
    for (long i = ITEM(0); i < (long)a.K * a.C * a.area; i += ITEMS(0)) {
        const long row = i / a.area, k = row / a.C, c = row % a.C;
        dw[i] = LOAD1(packed + (k * a.padded_C + c) * a.area + i % a.area) * a.unscale;
    }
}

/* y = act(y + bias + residual), in place; zeros in the padding, whatever was there. */
KERNEL void conv_part_finish(REF(act, y), CREF(float, bias), CREF(act, residual), ConvPartArgs a)
{
    PLACE(act, y);
    PLACE_OR_NULL(const float, bias);
    PLACE_OR_NULL(const act, residual);
    const int vectors = a.width / LANES;
    for (long i = ITEM(0); i < a.pixels * vectors; i += ITEMS(0)) {
        const int c = (int)(i % vectors) * LANES;
        vec v = LOADA(y + i * LANES);
        if (bias && c < a.channels)
            v += load_some(bias + c, a.channels - c);
        if (residual)
            v += LOADA(residual + i * LANES);
        if (a.relu)
            v = at_least(v, 0.0f);
        STOREA(y + i * LANES, select(vec(0.0f), v, live_lanes(a.channels - c)));
    }
}
