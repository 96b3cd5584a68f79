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
#define DEVICE static inline
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
/* An array of the work-item's own. */
#define FROM_ARRAY(p) PASTE(vload, LANES)(0, p)
#define TO_ARRAY(p, v) PASTE(vstore, LANES)(v, 0, p)
#define LOADI(p) PASTE(vload, LANES)(0, p)
#define LOADB(p) PASTE(vload, LANES)(0, p)
#define STOREB(p, v) PASTE(vstore, LANES)(v, 0, p)
#define TO_INT(v) PASTE(convert_int, LANES)(v)
#define TO_BYTE(v) PASTE(convert_uchar, LANES)(v)
/* What images and their gradients are stored in: float, or with STORED_F16 or STORED_BF16 16 bits of it, rounded to
 * nearest, ties to even. Computed with are floats in any case. LOADA and STOREA move a vector, LOAD1 and STORE1 one;
 * rounda gives a vector as it would be read again. */
#if defined(STORED_F16)
#define STORED_16
typedef half act;
#define LOADA(p) PASTE(vload_half, LANES)(0, p)
#define STOREA(p, v) PASTE(PASTE(vstore_half, LANES), _rte)(v, 0, p)
#define LOAD1(p) vload_half(0, p)
#define STORE1(p, v) vstore_half_rte(v, 0, p)
static inline vec rounda(vec v)
{
    ushort bits[LANES];
    STOREA((half *)bits, v);
    return LOADA((const half *)bits);
}
#elif defined(STORED_BF16)
#define STORED_16
typedef ushort act;
typedef PASTE(uint, LANES) uvec;
#define LOADA(p) PASTE(as_float, LANES)(PASTE(convert_uint, LANES)(PASTE(vload, LANES)(0, p)) << 16)
#if LANES == 16 && defined(__clang__)
/* One store of all lanes: Clang parts what vstore16 of ushort16 puts into 16 stores of two bytes. */
typedef ushort16 words __attribute__((aligned(2)));
#define STOREA(p, v) (*(GLOBAL words *)(p) = convert_ushort16(bf16_bits(v)))
#else
#define STOREA(p, v) PASTE(vstore, LANES)(PASTE(convert_ushort, LANES)(bf16_bits(v)), 0, p)
#endif
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
static inline vec rounda(vec v)
{
    return PASTE(as_float, LANES)(bf16_bits(v) << 16);
}
#else
typedef float act;
#define rounda(v) (v)
#define LOADA(p) LOAD(p)
#define STOREA(p, v) STORE(p, v)
#define LOAD1(p) (*(p))
#define STORE1(p, v) (*(p) = (v))
#endif
/* A bit for each lane of a vector, and such bits as a mask of lanes. */
#if LANES == 16
typedef ushort bits;
#define LANE_BITS (ivec)(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
static inline bits bits_of(ivec mask)
{
    int16 own = mask & LANE_BITS;
    int8 eight = own.lo | own.hi;
    int4 four = eight.lo | eight.hi;
    int2 two = four.lo | four.hi;
    return (bits)(two.x | two.y);
}
#else
typedef uchar bits;
#define LANE_BITS (ivec)(1, 2, 4, 8)
static inline bits bits_of(ivec mask)
{
    int4 own = mask & LANE_BITS;
    return (bits)(own.x | own.y | own.z | own.w);
}
#endif
static inline ivec lanes_of(bits b)
{
    return ((ivec)(b) & LANE_BITS) != 0;
}
/* Before a loop of known length: no loop is left of it. */
#define UNROLL _Pragma("unroll")
/* Before a loop of which nvcc would unroll more than registers hold. */
#define ROLLED
/* Puts a float where others may put one at the same time. */
#define ATOMIC_PUT(p, v) ((void)atomic_xchg((volatile GLOBAL int *)(p), as_int(v)))
#define ITEM(d) ((int)get_global_id(d))
#define ITEMS(d) ((int)get_global_size(d))

/* Of a team (team.h). */
#if LANES != 16
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
#endif
/* No LAST_TEAM: in OpenCL 1.2 no work-group sees for sure what another one wrote in the same launch. */
#define TEAM_KERNEL KERNEL __attribute__((reqd_work_group_size(TEAM, 1, 1)))
#define TEAM_KERNEL_WIDE TEAM_KERNEL

#endif
