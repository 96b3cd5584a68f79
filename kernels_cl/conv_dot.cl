/* The trial of dot_pairs (backend_opencl/dot.c): sums[i] = 5 + 1 i + 2 * 3. */
KERNEL ONE void conv_dot(REF(float, sums))
{
    PLACE(float, sums);
    const vec i = (vec)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const pairs a = bf16_bits((vec)(1.f)) | bf16_bits((vec)(2.f)) << 16;
    const pairs b = bf16_bits(i) | bf16_bits((vec)(3.f)) << 16;
    STORE(sums, dot_pairs((vec)(5.f), a, b));
}
