/* Elementwise kernels over ranges: each work-item takes one chunk. */

/* y[i] = a x[i] + b */
KERNEL void scale(CREF(float, x), REF(float, y), RangeArgs a)
{
    PLACE(const float, x);
    PLACE(float, y);
    long i = ITEM(0) * a.chunk, end = min(a.n, i + a.chunk);
    for (; i + LANES <= end; i += LANES)
        STORE(y + i, a.a * LOAD(x + i) + a.b);
    for (; i < end; i++)
        y[i] = a.a * x[i] + a.b;
}
