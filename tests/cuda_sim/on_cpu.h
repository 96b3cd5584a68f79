/* Before kernels_cu/table.cu where no nvcc compiles it: CUDA's words for a processor. */
#ifndef PACO_CUDA_ON_CPU_H
#define PACO_CUDA_ON_CPU_H

#include "sim.h"

#include <math.h>
#include <string.h>
#include <utility>

#include <cuda_runtime_api.h>
#include <vector_functions.h>

#define __forceinline__ inline
#define __launch_bounds__(...)
#undef __global__
#define __global__
#undef __device__
#define __device__

#define threadIdx (sim_self->thread)
#define blockIdx (sim_self->block)
#define blockDim (sim_self->block_size)
#define gridDim (sim_self->grid_size)
#define __syncthreads() sim_barrier()
#define __shfl_sync(mask, value, lane) sim_shuffle(value, lane)
#define TEAM_MEMORY(T, count, name)                                                \
    static const char name##_here = 0;                                             \
    T *name = (T *)sim_shared(sizeof(T) * (count) * TEAM, &name##_here)

template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
/* A vector in memory, at a multiple of its size. */
template <class T> static inline T &sim_vector(T *p)
{
    if ((uintptr_t)p % sizeof(T))
        sim_fail("a vector at an address that is no multiple of its size");
    return *p;
}
#define __threadfence() sim_fence()
static inline unsigned atomicInc(unsigned *p, unsigned most)
{
    sim_counts();
    return std::exchange(*p, *p >= most ? 0 : *p + 1);
}
#define WHOLE(T, p) sim_vector((T *)(p))
template <class T> static inline void __stwb(T *p, T v) { sim_store(&sim_vector(p), &v, sizeof v); }
static inline int atomicExch(int *p, int v) { return std::exchange(*p, v); }
static inline int __float_as_int(float v)
{
    int bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* "constexpr const char* sim_name() [with auto F = NAME]" */
template <auto F> constexpr const char *sim_name() { return __PRETTY_FUNCTION__; }

/* A kernel as the runtime's stand-in calls it. */
template <auto F> struct SimEntry;
template <class... A, void (*F)(A...)> struct SimEntry<F> {
    static constexpr size_t sizes[] = {sizeof(A)...};
    template <size_t... I> static void spread(void *const *a, std::index_sequence<I...>)
    {
        F(*(A *)a[I]...);
    }
    static void call(void *const *a) { spread(a, std::index_sequence_for<A...>{}); }
    static constexpr SimKernel kernel = {call, (int)sizeof...(A), sizes, sim_name<F>()};
};
#define ENTRY(name) (const void *)&SimEntry<name>::kernel

#endif
