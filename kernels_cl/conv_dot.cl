/* The trial of both forms of the dot product of pairs (backend_opencl/dot.c): sums[i] = 5 + 2 (1 i + 2 * 3). */
KERNEL ONE void conv_dot(REF(float, sums))
{
    PLACE(float, sums);
    const vec i = (vec)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const act one_two[2] = {bf16_bits1(1.f), bf16_bits1(2.f)};
    const pairs a = (pairs)(one_two[0] | one_two[1] << 16);
    const pairs b = bf16_bits(i) | bf16_bits((vec)(3.f)) << 16;
    vec sum = dot_pairs((vec)(5.f), a, b);
    DOT_PAIR(sum, one_two, b);
    STORE(sums, sum);
}
