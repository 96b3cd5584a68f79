/* Images into activations of one span of channels: the first three lanes, zeros in the others. */

/* Vector `v` of a pixel: colours in the first three lanes of all. */
DEVICE void store_pixel(GLOBAL act *x, int v, float r, float g, float b)
{
    float lanes[LANES] = {r, g, b};
    STOREA(x + v * LANES, v ? (vec)(0.0f) : FROM_ARRAY(lanes));
}

/* Items: parts of the image, vector fastest; 1; images, of which raw holds those of all turns. */
#define IMAGE_PIXELS                                                                             \
    int i = ITEM(2), n = state->turn * a.B + i, v = ITEM(0) % VECTORS;                           \
    int part = ITEM(0) / VECTORS, parts = ITEMS(0) / VECTORS, pixels = v * LANES < a.width ? a.HW : 0

/* raw: bytes [n][HW][3] */
KERNEL void images_bytes(CREF(uchar, raw), CREF(StepState, state), REF(act, x), ImageArgs a)
{
    PLACE(const uchar, raw);
    PLACE(const StepState, state);
    PLACE(act, x);
    IMAGE_PIXELS;
    for (SHARE(at, pixels, part, parts)) {
        GLOBAL const uchar *rgb = raw + ((long)n * a.HW + at) * 3;
        store_pixel(x + ((long)i * a.HW + at) * a.width, v, rgb[0] * a.scale[0] + a.shift[0],
                    rgb[1] * a.scale[1] + a.shift[1], rgb[2] * a.scale[2] + a.shift[2]);
    }
}

/* raw: floats [n][3][HW] */
KERNEL void images_floats(CREF(float, raw), CREF(StepState, state), REF(act, x), ImageArgs a)
{
    PLACE(const float, raw);
    PLACE(const StepState, state);
    PLACE(act, x);
    IMAGE_PIXELS;
    for (SHARE(at, pixels, part, parts)) {
        GLOBAL const float *red = raw + (long)n * 3 * a.HW + at;
        store_pixel(x + ((long)i * a.HW + at) * a.width, v, red[0], red[a.HW], red[2 * a.HW]);
    }
}
