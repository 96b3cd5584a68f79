/* The dialect of the kernels: what OpenCL C and CUDA spell differently, under one name.
 *
 * A kernel begins
 *     KERNEL void scale(CREF(float, x), REF(float, y), RangeArgs a)
 *     {
 *         PLACE(const float, x); PLACE(float, y);
 * and then x and y are pointers to the operands. REF expands to two parameters, the buffer and the offset in
 * bytes: a launch is the same for every kernel.
 *
 * LANES channels travel together: 16 on CPUs, where a float16 is a register or two, 4 on GPUs, where
 * neighbouring work-items take neighbouring lanes. `vec` is LANES floats; ivec the same of ints (masks of
 * comparisons). Loads and stores are unaligned: parameters lie unpadded. */
#ifndef PACO_DIALECT_H
#define PACO_DIALECT_H

#ifndef LANES
#define LANES 16
#endif

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#define KERNEL __kernel
#define GLOBAL __global
#define LOCAL __local
#define REF(T, name) __global T *name##_buf, ulong name##_off
#define CREF(T, name) __global const T *name##_buf, ulong name##_off
#define PLACE(T, name) __global T *name = (__global T *)((__global char *)name##_buf + name##_off)
/* An optional operand: NULL when its offset is ABSENT. */
#define ABSENT 0xffffffffffffffffUL
#define PLACE_OR_NULL(T, name) \
    __global T *name = name##_off == ABSENT ? 0 : (__global T *)((__global char *)name##_buf + name##_off)

typedef PASTE(float, LANES) vec;
typedef PASTE(int, LANES) ivec;
#define LOAD(p) PASTE(vload, LANES)(0, p)
#define STORE(p, v) PASTE(vstore, LANES)(v, 0, p)
typedef PASTE(uchar, LANES) bvec;
#define LOADI(p) PASTE(vload, LANES)(0, p)
#define LOADB(p) PASTE(vload, LANES)(0, p)
#define STOREB(p, v) PASTE(vstore, LANES)(v, 0, p)
#define TO_INT(v) PASTE(convert_int, LANES)(v)
#define TO_BYTE(v) PASTE(convert_uchar, LANES)(v)
/* What images and their gradients are stored in: float, or with STORED_F16 or STORED_BF16 16 bits of it, rounded to
 * nearest, ties to even. Computed with are floats in any case. LOADA and STOREA move a vector, LOAD1 and STORE1 one. */
#if defined(STORED_F16)
typedef half act;
#define LOADA(p) PASTE(vload_half, LANES)(0, p)
#define STOREA(p, v) PASTE(PASTE(vstore_half, LANES), _rte)(v, 0, p)
#define LOAD1(p) vload_half(0, p)
#define STORE1(p, v) vstore_half_rte(v, 0, p)
#elif defined(STORED_BF16)
typedef ushort act;
typedef PASTE(uint, LANES) uvec;
#define LOADA(p) PASTE(as_float, LANES)(PASTE(convert_uint, LANES)(PASTE(vload, LANES)(0, p)) << 16)
#define STOREA(p, v) PASTE(vstore, LANES)(PASTE(convert_ushort, LANES)(bf16_bits(v)), 0, p)
#define LOAD1(p) as_float((uint)*(p) << 16)
#define STORE1(p, v) (*(p) = (ushort)bf16_bits1(v))
static inline uvec bf16_bits(vec v)
{
    uvec u = PASTE(as_uint, LANES)(v);
    return select((u + 0x7fff + (u >> 16 & 1)) >> 16, u >> 16 | 0x40, isnan(v));
}
static inline uint bf16_bits1(float v)
{
    uint u = as_uint(v);
    return isnan(v) ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
#else
typedef float act;
#define LOADA(p) LOAD(p)
#define STOREA(p, v) STORE(p, v)
#define LOAD1(p) (*(p))
#define STORE1(p, v) (*(p) = (v))
#endif
/* Where image n's channel c (of `width`, padding included) begins in a tensor of HW pixels, and how far the next pixel
 * lies: [N][width / 16][HW][16], or with CHANNELS_LAST [N][HW][width]. */
#ifdef CHANNELS_LAST
#define PLACE_OF(n, c, HW, width) ((long)(n) * (HW) * (width) + (c))
#define PIXEL(width) (width)
#else
#define PLACE_OF(n, c, HW, width) (((long)(n) * (width) + (c) / 16 * 16) * (HW) + (c) % 16)
#define PIXEL(width) 16
#endif
/* Channels that a work-item or a team takes together; vectors in them. */
#define SPAN 16
#define VECTORS (SPAN / LANES)
/* Before a loop of known length: no loop is left of it. */
#define UNROLL _Pragma("unroll")
/* Puts a float where others may put one at the same time. */
#define ATOMIC_PUT(p, v) ((void)atomic_xchg((volatile GLOBAL int *)(p), as_int(v)))
#define ITEM(d) ((int)get_global_id(d))
#define ITEMS(d) ((int)get_global_size(d))

/* Teams: what one work-item does with a long loop on a CPU, TEAM of them do together on a GPU: a work-group along
 * dimension 0. Member m takes what is m, m + TEAM, ... of the loop, so that neighbours touch neighbouring memory,
 * and what the members found is joined by a tree in local memory, in an order that is always the same. Where the
 * device shuffles values within sub-groups (SUBGROUPS), the last levels of the same tree are shuffles of one sub-group
 * without barriers: the same bits. (Its own sums over sub-groups would leave the order to the driver.) On a CPU a team is
 * a single work-item, and all of this is nothing.
 *
 * A reduction takes `shared`, local memory of TEAM values (sums: twice as many), and leaves `apart` results: member m
 * gets what the members m % apart, m % apart + apart, ... give together. Every member must call it. What a sum
 * rounds off on its way up the tree is kept and added at the end: parts that cancel cost no digits. */
#if LANES == 16
#define TEAM 1
#define MEMBER 0
#define TEAM_MEMORY(T, count, name)
#define team_sum(own, shared, apart) (own)
#define team_sum_vec(own, shared, apart) (own)
#define team_join(v, values, largest, shared)
#define team_join_vec(v, values, shared, apart)
#define team_wait()
#else
#ifndef TEAM
#define TEAM 128 /* the table's kernels are built with device_team of device/backend.h */
#endif
#define MEMBER ((int)get_local_id(0))
#define TEAM_MEMORY(T, count, name) LOCAL T name[(count) * TEAM]
#define team_wait() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#ifdef SUBGROUPS
/* Lanes of the sub-group that climbs the last levels: the first one, which is full, as TEAM is a multiple. */
#define SUB_LANES ((int)get_max_sub_group_size())
#define SUB_CLIMBS (get_sub_group_id() == 0)
#define SUB_LANE ((int)get_sub_group_local_id())
#define SUB_WAIT() team_wait()
static inline float from_lane_float(float v, int lane)
{
    return sub_group_shuffle(v, (uint)lane % get_max_sub_group_size());
}
static inline vec from_lane_vec(vec v, int lane)
{
    return (vec)(from_lane_float(v.s0, lane), from_lane_float(v.s1, lane), from_lane_float(v.s2, lane),
                 from_lane_float(v.s3, lane));
}
#else
#define SUB_LANES 1
#define SUB_CLIMBS 0
#define SUB_LANE 0
#define SUB_WAIT()
#define from_lane_float(v, lane) (v)
#define from_lane_vec(v, lane) (v)
#endif
/* Two barriers stand in a reduction, one of them in the loop over the levels of the tree, and a kernel with several
 * reductions calls one in a loop: compilers that look for the ways between barriers (PoCL) take time that doubles with
 * each place that has one. */
#define TEAM_REDUCTION(name, T, join)                                              \
    T name(T own, LOCAL T *shared, int apart)                                      \
    {                                                                              \
        int span = TEAM, least = max(apart, SUB_LANES);                            \
        for (; span >= least; span /= 2) {                                         \
            team_wait();                                                           \
            if (span == TEAM) {                                                    \
                shared[MEMBER] = own;                                              \
            } else if (MEMBER < span) {                                            \
                T a = shared[MEMBER], b = shared[MEMBER + span];                   \
                shared[MEMBER] = join;                                             \
            }                                                                      \
        }                                                                          \
        team_wait();                                                               \
        if (SUB_CLIMBS && span >= apart) {                                         \
            T a = shared[SUB_LANE];                                                \
            for (; span >= apart; span /= 2) {                                     \
                T b = from_lane_##T(a, SUB_LANE + span);                           \
                a = join;                                                          \
            }                                                                      \
            if (SUB_LANE < apart)                                                  \
                shared[SUB_LANE] = a;                                              \
        }                                                                          \
        SUB_WAIT();                                                                \
        return shared[MEMBER % apart];                                             \
    }
/* What a + b rounds off. */
#define ROUNDED_OFF(a, b, sum) (((a) - ((sum) - ((sum) - (a)))) + ((b) - ((sum) - (a))))
/* The sum, or the largest. */
#define TEAM_SUM_OR_MAX(name, T)                                                   \
    T name(T own, bool largest, LOCAL T *shared, int apart)                        \
    {                                                                              \
        LOCAL T *rest = shared + TEAM;                                             \
        int span = TEAM, least = max(apart, SUB_LANES);                            \
        for (; span >= least; span /= 2) {                                         \
            team_wait();                                                           \
            if (span == TEAM) {                                                    \
                shared[MEMBER] = own;                                              \
                rest[MEMBER] = 0.0f;                                               \
            } else if (MEMBER < span) {                                            \
                T a = shared[MEMBER], b = shared[MEMBER + span], sum = a + b;      \
                shared[MEMBER] = largest ? fmax(a, b) : sum;                       \
                if (!largest)                                                      \
                    rest[MEMBER] += rest[MEMBER + span] + ROUNDED_OFF(a, b, sum);  \
            }                                                                      \
        }                                                                          \
        team_wait();                                                               \
        if (SUB_CLIMBS && span >= apart) {                                         \
            T a = shared[SUB_LANE], lost = rest[SUB_LANE];                         \
            for (; span >= apart; span /= 2) {                                     \
                T b = from_lane_##T(a, SUB_LANE + span), sum = a + b;              \
                T off = from_lane_##T(lost, SUB_LANE + span);                      \
                lost += largest ? (T)(0.0f) : off + ROUNDED_OFF(a, b, sum);        \
                a = largest ? fmax(a, b) : sum;                                    \
            }                                                                      \
            if (SUB_LANE < apart) {                                                \
                shared[SUB_LANE] = a;                                              \
                rest[SUB_LANE] = lost;                                             \
            }                                                                      \
        }                                                                          \
        SUB_WAIT();                                                                \
        return shared[MEMBER % apart] + rest[MEMBER % apart];                      \
    }
TEAM_SUM_OR_MAX(team_float, float)
TEAM_SUM_OR_MAX(team_vec, vec)
#define team_sum(own, shared, apart) team_float(own, false, shared, apart)
#define team_sum_vec(own, shared, apart) team_vec(own, false, shared, apart)
/* The first of the values in `v`, each joined: the largest, or sums. */
void team_join(float *v, int values, bool largest, LOCAL float *shared)
{
    for (int k = 0; k < values; k++)
        v[k] = team_float(v[k], largest, shared, 1);
}
void team_join_vec(vec *v, int values, LOCAL vec *shared, int apart)
{
    for (int k = 0; k < values; k++)
        v[k] = team_vec(v[k], false, shared, apart);
}
#endif
#define TEAM_KERNEL KERNEL __attribute__((reqd_work_group_size(TEAM, 1, 1)))
/* The team along dimension 0, and how many there are. */
#define TEAM_ITEM (ITEM(0) / TEAM)
#define TEAM_ITEMS (ITEMS(0) / TEAM)
/* A team over pixels of a span of channels: the member's vector of it, its first pixel, and the next. */
#define MEMBER_VECTOR (MEMBER % VECTORS)
#define MEMBER_PIXEL (MEMBER / VECTORS)
#define TEAM_PIXELS ((TEAM + VECTORS - 1) / VECTORS)

/* The share of 0 .. n - 1 that part `part` of `parts` takes: consecutive ones on a CPU, every parts-th on a GPU,
 * where the parts run side by side. */
#if LANES == 16
#define SHARE(i, n, part, parts)                                                                           \
    int i = (int)((long)(n) * (part) / (parts)), i##_end = (int)((long)(n) * ((part) + 1) / (parts));      \
         i < i##_end; i++
#else
#define SHARE(i, n, part, parts) int i = (part); i < (n); i += (parts)
#endif

/* The larger of v and a bound; unlike of fmax, the result for not-a-number is not-a-number: nothing that went wrong
 * is hidden from the loss. */
vec at_least(vec v, float least)
{
    return select(v, (vec)(least), v < least);
}

/* Sum and maximum over the lanes of a vector, in a fixed order. */
float lanes_sum(vec v)
{
    float part[LANES];
    STORE(part, v);
    float sum = part[0];
    for (int i = 1; i < LANES; i++)
        sum += part[i];
    return sum;
}

float lanes_max(vec v)
{
    float part[LANES];
    STORE(part, v);
    float most = part[0];
    for (int i = 1; i < LANES; i++)
        most = fmax(most, part[i]);
    return most;
}

/* The first `count` lanes from p, zeros in the others: parameters lie unpadded. */
vec load_some(GLOBAL const float *p, int count)
{
    if (count >= LANES)
        return LOAD(p);
    float part[LANES];
    for (int i = 0; i < LANES; i++)
        part[i] = i < count ? p[i] : 0.0f;
    return LOAD(part);
}

void store_some(GLOBAL float *p, vec v, int count)
{
    if (count >= LANES) {
        STORE(p, v);
        return;
    }
    float part[LANES];
    STORE(part, v);
    for (int i = 0; i < count; i++)
        p[i] = part[i];
}

#endif
