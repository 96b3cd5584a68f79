/* The dialect of the kernels (kernels_cl/dialect.h) in CUDA C++: the same names for one text. LANES is 4, images have
 * channels last, and a warp is the sub-group that climbs a reduction's last levels.
 *
 * No __restrict__: kernels run in place. Vectors go to memory whole: __stwb is one store with every nvcc, a plain float4
 * was seen as four scalar ones (13.0 keeps it whole; tests/test_cuda_ptx.sh looks). */
#ifndef PACO_DIALECT_CUH
#define PACO_DIALECT_CUH

#include "block.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>

#define LANES 4
#define CHANNELS_LAST
#ifndef TEAM
#define TEAM 128 /* device_team of device/backend.h */
#endif

typedef unsigned char uchar;
typedef unsigned int uint;
typedef unsigned long ulong;

#define KERNEL static __global__ __launch_bounds__(BLOCK_MAX)
#define TEAM_KERNEL static __global__ __launch_bounds__(TEAM)
/* Whose members hold much: nvcc would rather spill than have as few as four teams share a multiprocessor. */
#define TEAM_KERNEL_WIDE static __global__ __launch_bounds__(TEAM, 4)
#define DEVICE static __device__ __forceinline__
#define GLOBAL
#define LOCAL
#define REF(T, name) char *name##_buf, ulong name##_off
#define CREF(T, name) const char *name##_buf, ulong name##_off
#define PLACE(T, name) T *name = (T *)(name##_buf + name##_off)
#define ABSENT 0xffffffffffffffffUL
#define PLACE_OR_NULL(T, name) T *name = name##_off == ABSENT ? 0 : (T *)(name##_buf + name##_off)
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")

/* ---- vectors of LANES floats, of ints (masks are 0 or -1) and of bytes */

#define FOR_LANES _Pragma("unroll") for (int i = 0; i < LANES; i++)
#define VECTOR(name, T)                                                  \
    struct alignas(LANES * sizeof(T)) name {                             \
        T s[LANES];                                                      \
        name() = default;                                                \
        __device__ __forceinline__ name(T a) { FOR_LANES s[i] = a; }     \
    };
VECTOR(vec, float)
VECTOR(ivec, int)
VECTOR(bvec, uchar)

#define OPERATOR(T, op)                                                  \
    DEVICE T operator op(T a, T b)                                       \
    {                                                                    \
        FOR_LANES a.s[i] = a.s[i] op b.s[i];                             \
        return a;                                                        \
    }                                                                    \
    DEVICE T &operator op##=(T &a, T b) { return a = a op b; }
OPERATOR(vec, +)
OPERATOR(vec, -)
OPERATOR(vec, *)
OPERATOR(vec, /)
OPERATOR(ivec, &)
OPERATOR(ivec, |)

#define COMPARE(T, op)                                                   \
    DEVICE ivec operator op(T a, T b)                                    \
    {                                                                    \
        ivec r;                                                          \
        FOR_LANES r.s[i] = -(a.s[i] op b.s[i]);                          \
        return r;                                                        \
    }
COMPARE(vec, <)
COMPARE(vec, <=)
COMPARE(vec, >)
COMPARE(ivec, ==)

DEVICE ivec operator~(ivec a)
{
    FOR_LANES a.s[i] = ~a.s[i];
    return a;
}

#define SELECT(T)                                                        \
    DEVICE T select(T a, T b, ivec mask)                                 \
    {                                                                    \
        FOR_LANES a.s[i] = mask.s[i] < 0 ? b.s[i] : a.s[i];              \
        return a;                                                        \
    }
SELECT(vec)
SELECT(ivec)

#define EACH(T, name, call)                                              \
    DEVICE T name(vec a)                                                 \
    {                                                                    \
        T r;                                                             \
        FOR_LANES r.s[i] = call;                                         \
        return r;                                                        \
    }
EACH(vec, sqrt, sqrtf(a.s[i]))
EACH(vec, exp, expf(a.s[i]))
EACH(ivec, isnan, -(a.s[i] != a.s[i]))
EACH(ivec, isfinite, -(fabsf(a.s[i]) < INFINITY))

DEVICE vec fmax(vec a, vec b)
{
    FOR_LANES a.s[i] = fmaxf(a.s[i], b.s[i]);
    return a;
}

DEVICE vec fma(vec a, vec b, vec c)
{
    FOR_LANES c.s[i] = fmaf(a.s[i], b.s[i], c.s[i]);
    return c;
}

DEVICE bool all(ivec mask)
{
    bool r = true;
    FOR_LANES r = r && mask.s[i] < 0;
    return r;
}

DEVICE ivec TO_INT(bvec v)
{
    ivec r;
    FOR_LANES r.s[i] = v.s[i];
    return r;
}

DEVICE bvec TO_BYTE(ivec v)
{
    bvec r;
    FOR_LANES r.s[i] = (uchar)v.s[i];
    return r;
}

typedef uchar bits;

DEVICE bits bits_of(ivec mask)
{
    int r = 0;
    FOR_LANES r |= mask.s[i] & 1 << i;
    return (bits)r;
}

DEVICE ivec lanes_of(bits b)
{
    ivec r;
    FOR_LANES r.s[i] = -(b >> i & 1);
    return r;
}

/* ---- memory: floats and ints at multiples of 16 bytes */

#ifndef WHOLE /* the simulation of tests/cuda_sim looks where the vector lies */
#define WHOLE(T, p) (*(T *)(p))
#endif

DEVICE vec LOAD(const float *p)
{
    const float4 v = WHOLE(const float4, p);
    vec r;
    r.s[0] = v.x, r.s[1] = v.y, r.s[2] = v.z, r.s[3] = v.w;
    return r;
}

DEVICE void STORE(float *p, vec v)
{
    __stwb((float4 *)p, make_float4(v.s[0], v.s[1], v.s[2], v.s[3]));
}

DEVICE ivec LOADI(const int *p)
{
    const int4 v = WHOLE(const int4, p);
    ivec r;
    r.s[0] = v.x, r.s[1] = v.y, r.s[2] = v.z, r.s[3] = v.w;
    return r;
}

DEVICE bvec LOADB(const uchar *p)
{
    const uchar4 v = WHOLE(const uchar4, p);
    bvec r;
    r.s[0] = v.x, r.s[1] = v.y, r.s[2] = v.z, r.s[3] = v.w;
    return r;
}

DEVICE void STOREB(uchar *p, bvec v)
{
    WHOLE(uchar4, p) = make_uchar4(v.s[0], v.s[1], v.s[2], v.s[3]);
}

/* An array of the thread's own. */
DEVICE vec FROM_ARRAY(const float *p)
{
    vec v;
    FOR_LANES v.s[i] = p[i];
    return v;
}

DEVICE ivec FROM_ARRAY(const int *p)
{
    ivec v;
    FOR_LANES v.s[i] = p[i];
    return v;
}

DEVICE void TO_ARRAY(float *p, vec v)
{
    FOR_LANES p[i] = v.s[i];
}

/* ---- what images are stored in */

#if defined(STORED_F16) || defined(STORED_BF16)
#define STORED_16
#ifdef STORED_F16
typedef __half act;
typedef __half2 act2;
#define LOAD1(p) __half2float(*(p))
#define STORE1(p, v) (*(p) = __float2half_rn(v))
#define TO_FLOATS __half22float2
#define FROM_FLOATS __floats2half2_rn
#else
typedef __nv_bfloat16 act;
typedef __nv_bfloat162 act2;
#define LOAD1(p) __bfloat162float(*(p))
#define STORE1(p, v) (*(p) = __float2bfloat16_rn(v))
#define TO_FLOATS __bfloat1622float2
#define FROM_FLOATS __floats2bfloat162_rn
#endif
union Pairs {
    uint2 words;
    act2 pair[2];
    __device__ __forceinline__ Pairs() {}
};

DEVICE vec LOADA(const act *p)
{
    Pairs u;
    u.words = WHOLE(const uint2, p);
    const float2 low = TO_FLOATS(u.pair[0]), high = TO_FLOATS(u.pair[1]);
    vec r;
    r.s[0] = low.x, r.s[1] = low.y, r.s[2] = high.x, r.s[3] = high.y;
    return r;
}

DEVICE void STOREA(act *p, vec v)
{
    Pairs u;
    u.pair[0] = FROM_FLOATS(v.s[0], v.s[1]);
    u.pair[1] = FROM_FLOATS(v.s[2], v.s[3]);
    __stwb((uint2 *)p, u.words);
}
#else
typedef float act;
#define LOADA(p) LOAD(p)
#define STOREA(p, v) STORE(p, v)
#define LOAD1(p) (*(p))
#define STORE1(p, v) (*(p) = (v))
#endif

#define ATOMIC_PUT(p, v) ((void)atomicExch((int *)(p), __float_as_int(v)))

/* ---- work-items and teams (kernels_cl/team.h) */

#define ITEM(d) ITEM_##d
#define ITEM_0 ((int)(blockIdx.x * blockDim.x + threadIdx.x))
#define ITEM_1 ((int)blockIdx.y)
#define ITEM_2 ((int)blockIdx.z)
#define ITEMS(d) ITEMS_##d
#define ITEMS_0 ((int)(gridDim.x * blockDim.x))
#define ITEMS_1 ((int)gridDim.y)
#define ITEMS_2 ((int)gridDim.z)
#define MEMBER ((int)threadIdx.x)
#ifndef TEAM_MEMORY /* the simulation of tests/cuda_sim has its own */
#define TEAM_MEMORY(T, count, name) __shared__ T name[(count) * TEAM]
#endif
#define team_wait() __syncthreads()
/* Whether this team is the last of `teams` that come to a count, which is then zero again: it sees what the others
 * wrote before. Every member calls it. What is written goes out before the team is counted, and nothing is read before
 * that: a fence on either side. */
#define LAST_TEAM(count, teams) last_team(count, teams)
DEVICE bool last_team(uint *count, int teams)
{
    TEAM_MEMORY(uint, 1, before);
    __threadfence();
    team_wait();
    if (MEMBER == 0)
        before[0] = atomicInc(count, (uint)teams - 1);
    team_wait();
    __threadfence();
    return before[0] == (uint)teams - 1;
}
#define SUBGROUPS
#define SUB_LANES 32
#define SUB_CLIMBS (threadIdx.x < 32)
#define SUB_LANE ((int)threadIdx.x)
#define SUB_WAIT() team_wait()

DEVICE float from_lane_float(float v, int lane)
{
    return __shfl_sync(0xffffffffu, v, lane % 32);
}

DEVICE vec from_lane_vec(vec v, int lane)
{
    FOR_LANES v.s[i] = from_lane_float(v.s[i], lane);
    return v;
}

#endif
