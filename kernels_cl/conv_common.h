/* What the convolution kernels share; the text follows conv_args.h in every conv_*.cl. */
#ifndef PACO_CONV_COMMON_H
#define PACO_CONV_COMMON_H

#define ONE __attribute__((reqd_work_group_size(1, 1, 1)))

/* Packed weights: stored as images are, but for those that Winograd's form has transformed (FLOAT_WEIGHTS). Either way
 * they were rounded as images are when they were packed. */
#ifdef FLOAT_WEIGHTS
typedef float wgt;
#define LOADW(p) LOAD(p)
#define STOREW(p, v) STORE(p, v)
#else
typedef act wgt;
#define LOADW(p) LOADA(p)
#define STOREW(p, v) STOREA(p, v)
#endif

/* Operands of a convolution and of a weight gradient's sums: parameters of the kernel, and the lines that it begins
 * with. */
#define CONV_REFS CREF(act, x), CREF(wgt, w), CREF(float, bias), CREF(act, residual), REF(act, y)
#define CONV_PLACES                     \
    PLACE(const act, x);                \
    PLACE(const wgt, w);                \
    PLACE_OR_NULL(const float, bias);   \
    PLACE_OR_NULL(const act, residual); \
    PLACE(act, y)
#define SUMS_REFS CREF(act, x), CREF(act, dy), REF(float, sums)
#define SUMS_PLACES       \
    PLACE(const act, x);  \
    PLACE(const act, dy); \
    PLACE(float, sums)

/* Work of an item on a processor: tiles of out-channels; and of a weight gradient, bands of groups of images. */
#define ITEM_TILES(a) \
    const int tile0 = ITEM(0) * a.item_tiles, tile1 = min(tile0 + a.item_tiles, s->tiles)
#define ITEM_UNITS(a)                                                        \
    const long units = (long)((a.images + a.group - 1) / a.group) * a.bands; \
    const long unit0 = units * ITEM(2) / a.splits, unit1 = units * (ITEM(2) + 1) / a.splits

/* First in-block that a tile of `vecs` vectors of out-channels meets: that of its groups. */
static inline int first_block(const ConvShape *s, int tile)
{
    return min(tile * s->vecs * 16 / s->out_group * s->in_group / 16, s->in_blocks - s->tile_blocks);
}

#ifdef DOT_BF16 /* programs for processors with AVX512_BF16, of images that are stored so (backend_opencl/dot.h) */
typedef uvec pairs; /* of two neighbours that are stored in 16 bits each, the first in the lower half */

/* Adds the two products of its pairs to each lane. By Intel's manual (VDPBF16PS) these are two fused multiply-adds, the
 * upper pair's first, which round to nearest, ties to even (so does a Zen 4), and take for zero what is subnormal, coming
 * in or going out. This is no builtin, as compilers that do not know the processor would call a function for each. */
static inline vec dot_pairs(vec sum, pairs a, pairs b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

/* The same with one pair, which lies at p, against all lanes of b: the instruction repeats what it loads. The last operand
 * says that it loads both. */
#define DOT_PAIR(sum, p, b) \
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(b), "m"(*(p)), "m"(*((p) + 1)))
#endif

#if LANES == 16
/* Sixteen floats, `step` apart. */
static inline vec gather(GLOBAL const float *p, long step)
{
    float lanes[16];
    UNROLL
    for (int i = 0; i < 16; i++)
        lanes[i] = p[i * step];
    return LOAD(lanes);
}

/* a0 b0 a1 b1 ...: of the first eight lanes, and of the last; T is the vector's type. */
#define INTERLEAVE_LOW(T, a, b)                                                                     \
    (T)((a).s0, (b).s0, (a).s1, (b).s1, (a).s2, (b).s2, (a).s3, (b).s3, (a).s4, (b).s4, (a).s5,     \
        (b).s5, (a).s6, (b).s6, (a).s7, (b).s7)
#define INTERLEAVE_HIGH(T, a, b)                                                                    \
    (T)((a).s8, (b).s8, (a).s9, (b).s9, (a).sa, (b).sa, (a).sb, (b).sb, (a).sc, (b).sc, (a).sd,     \
        (b).sd, (a).se, (b).se, (a).sf, (b).sf)
#define TRANSPOSE_ROUND(to, from)                                         \
    UNROLL                                                                \
    for (int i = 0; i < 8; i++) {                                         \
        (to)[2 * i] = INTERLEAVE_LOW(vec, (from)[i], (from)[i + 8]);      \
        (to)[2 * i + 1] = INTERLEAVE_HIGH(vec, (from)[i], (from)[i + 8]); \
    }

static inline void transpose(vec v[16])
{
    vec other[16];
    TRANSPOSE_ROUND(other, v)
    TRANSPOSE_ROUND(v, other)
    TRANSPOSE_ROUND(other, v)
    TRANSPOSE_ROUND(v, other)
}

/* The columns of sixteen rows of sixteen floats, the rows `pitch` apart: every row is read once, as a whole, where
 * gathering would meet rows that lie in the same set of a cache again and again. */
static inline void load_columns(vec columns[16], GLOBAL const float *rows, long pitch)
{
    UNROLL
    for (int i = 0; i < 16; i++)
        columns[i] = LOAD(rows + i * pitch);
    transpose(columns);
}

static inline void store_columns(GLOBAL float *rows, long pitch, vec columns[16])
{
    transpose(columns);
    UNROLL
    for (int i = 0; i < 16; i++)
        STORE(rows + i * pitch, columns[i]);
}
#endif

#if LANES == 16 && defined(VECS) /* a register tile on a processor: TILE pixels times VECS vectors of out-channels */
#define KT (VECS * 16)

#define CLEAR(acc)                      \
    UNROLL                              \
    for (int p = 0; p < TILE; p++)      \
        UNROLL                          \
    for (int k = 0; k < VECS; k++)      \
        acc[p][k] = (vec)(0.f);

/* Sums of a weight gradient, TILE places times VECS vectors, from memory into registers (`fresh`: from zero) and back. */
#define TILE_LOAD(sums, fresh)                                                 \
    vec acc[TILE][VECS];                                                       \
    UNROLL                                                                     \
    for (int q = 0; q < TILE; q++) {                                           \
        UNROLL                                                                 \
        for (int k = 0; k < VECS; k++)                                         \
            acc[q][k] = (fresh) ? (vec)(0.f) : LOAD((sums) + q * KT + k * 16); \
    }

#define TILE_STORE(sums)                                \
    UNROLL                                              \
    for (int q = 0; q < TILE; q++) {                    \
        UNROLL                                          \
        for (int k = 0; k < VECS; k++)                  \
            STORE((sums) + q * KT + k * 16, acc[q][k]); \
    }

#ifdef GROUP /* 4 or 8 channels in and out of each group: whole groups in a vector */
/* The j-th channel of its own group in every lane. */
#if GROUP == 4
#define SPREAD_OF(a, b, c, d) (vec)(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d)
#define SPREAD(v, j)                                                                          \
    ((j) == 0   ? SPREAD_OF((v).s0, (v).s4, (v).s8, (v).sc)                                   \
     : (j) == 1 ? SPREAD_OF((v).s1, (v).s5, (v).s9, (v).sd)                                   \
     : (j) == 2 ? SPREAD_OF((v).s2, (v).s6, (v).sa, (v).se)                                   \
                : SPREAD_OF((v).s3, (v).s7, (v).sb, (v).sf))
#else
#define SPREAD_OF(a, b) (vec)(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b)
#define SPREAD(v, j)                                                                          \
    ((j) == 0   ? SPREAD_OF((v).s0, (v).s8)                                                   \
     : (j) == 1 ? SPREAD_OF((v).s1, (v).s9)                                                   \
     : (j) == 2 ? SPREAD_OF((v).s2, (v).sa)                                                   \
     : (j) == 3 ? SPREAD_OF((v).s3, (v).sb)                                                   \
     : (j) == 4 ? SPREAD_OF((v).s4, (v).sc)                                                   \
     : (j) == 5 ? SPREAD_OF((v).s5, (v).sd)                                                   \
     : (j) == 6 ? SPREAD_OF((v).s6, (v).se)                                                   \
                : SPREAD_OF((v).s7, (v).sf))
#endif

/* Adds the GROUP in-channels of TILE pixels at x times the weights at w, which moves on. */
#define ACCUMULATE(x)                                            \
    {                                                            \
        vec wv[GROUP];                                           \
        UNROLL                                                   \
        for (int j = 0; j < GROUP; j++, w += 16)                 \
            wv[j] = LOADW(w);                                     \
        UNROLL                                                   \
        for (int p = 0; p < TILE; p++) {                         \
            vec xv = LOAD((x) + p * 16);                         \
            UNROLL                                               \
            for (int j = 0; j < GROUP; j++)                      \
                acc[p][0] = fma(SPREAD(xv, j), wv[j], acc[p][0]); \
        }                                                        \
    }
#elif defined(DOT_BF16)
/* Adds in-channels [0, lanes) of TILE pixels at x, as they are stored, times the weights at w, which moves on: pairs of
 * both. */
#define ACCUMULATE(x)                                                \
    for (int c = 0; c < lanes; c += 2) {                             \
        pairs wv[VECS];                                              \
        UNROLL                                                       \
        for (int k = 0; k < VECS; k++)                               \
            wv[k] = vload16(0, (GLOBAL const uint *)w + k * 16);     \
        UNROLL                                                       \
        for (int p = 0; p < TILE; p++)                               \
            UNROLL                                                   \
        for (int k = 0; k < VECS; k++)                               \
            DOT_PAIR(acc[p][k], (x) + p * 16 + c, wv[k]);            \
        w += 2 * KT;                                                 \
    }
#else
/* Adds in-channels [0, lanes) of TILE pixels at x times the weights at w, which moves on. */
#define ACCUMULATE(x)                                  \
    for (int c = 0; c < lanes; c++) {                  \
        vec wv[VECS];                                  \
        UNROLL                                         \
        for (int k = 0; k < VECS; k++)                 \
            wv[k] = LOADW(w + k * 16);                  \
        UNROLL                                         \
        for (int p = 0; p < TILE; p++) {               \
            vec xv = (vec)((x)[p * 16 + c]);           \
            UNROLL                                     \
            for (int k = 0; k < VECS; k++)             \
                acc[p][k] = fma(xv, wv[k], acc[p][k]); \
        }                                              \
        w += KT;                                       \
    }
#endif

/* What happens to a finished or partial sum on its way to memory. */
typedef struct Ending {
    GLOBAL const float *bias;   /* or NULL */
    GLOBAL const act *residual; /* like out, or NULL */
    int add;                    /* out holds a part of the sum already */
    int relu;
#ifdef STORED_16 /* out would round a part of a sum: parts lie here, float32 */
    GLOBAL float *partial;
    int keep, resume; /* it goes there; what is there is added to it, instead of what out holds */
#endif
} Ending;

static inline vec bias_load(GLOBAL const float *bias, int k, int channels)
{
    if (k + 16 <= channels)
        return LOAD(bias + k);
    float lanes[16];
    for (int i = 0; i < 16; i++)
        lanes[i] = k + i < channels ? bias[k + i] : 0.f;
    return LOAD(lanes);
}

/* Stores the sums of one pixel, `bias` among them, at out + place. */
static inline void store_ended(vec sum, GLOBAL act *out, long place, const Ending *end)
{
#ifdef STORED_16
    if (end->resume)
        sum += LOAD(end->partial + place);
    if (end->keep) {
        STORE(end->partial + place, sum);
        return;
    }
#endif
    if (end->add)
        sum += LOADA(out + place);
    if (end->residual)
        sum += LOADA(end->residual + place);
    if (end->relu)
        sum = sum < 0.f ? (vec)(0.f) : sum; /* not-a-number stays */
    STOREA(out + place, sum);
}
#endif

#endif
