/* Arithmetic of cutting work into items and groups. */
#ifndef PACO_OPENCL_WORK_H
#define PACO_OPENCL_WORK_H

/* Work-items per core of a processor, and groups per unit of a GPU, so that none waits long for the
 * last. */
enum { ITEMS_PER_UNIT = 4, GROUPS_PER_UNIT = 4 };

static inline int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int round_up(int a, int b)
{
    return div_up(a, b) * b;
}

static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

static inline int max_int(int a, int b)
{
    return a > b ? a : b;
}

#endif
