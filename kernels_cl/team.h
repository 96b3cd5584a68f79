/* What the kernels share, whatever language they are compiled in; dialect.h comes before it, or kernels_cu/dialect.cuh.
 */
#ifndef PACO_TEAM_H
#define PACO_TEAM_H

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
/* Two barriers stand in a reduction, one of them in the loop over the levels of the tree, and a kernel with several
 * reductions calls one in a loop: compilers that look for the ways between barriers (PoCL) take time that doubles with
 * each place that has one. */
#define TEAM_REDUCTION(name, T, join)                                              \
    DEVICE T name(T own, LOCAL T *shared, int apart)                               \
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
    DEVICE T name(T own, bool largest, LOCAL T *shared, int apart)                 \
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
DEVICE void team_join(float *v, int values, bool largest, LOCAL float *shared)
{
    for (int k = 0; k < values; k++)
        v[k] = team_float(v[k], largest, shared, 1);
}
DEVICE void team_join_vec(vec *v, int values, LOCAL vec *shared, int apart)
{
    for (int k = 0; k < values; k++)
        v[k] = team_vec(v[k], false, shared, apart);
}
#endif
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
DEVICE vec at_least(vec v, float least)
{
    return select(v, (vec)(least), v < least);
}

/* Sum and maximum over the lanes of a vector, in a fixed order. */
DEVICE float lanes_sum(vec v)
{
    float part[LANES];
    TO_ARRAY(part, v);
    float sum = part[0];
    for (int i = 1; i < LANES; i++)
        sum += part[i];
    return sum;
}

DEVICE float lanes_max(vec v)
{
    float part[LANES];
    TO_ARRAY(part, v);
    float most = part[0];
    for (int i = 1; i < LANES; i++)
        most = fmax(most, part[i]);
    return most;
}

/* The first `count` lanes from p, zeros in the others: parameters lie unpadded. */
DEVICE vec load_some(GLOBAL const float *p, int count)
{
    if (count >= LANES)
        return LOAD(p);
    float part[LANES];
    for (int i = 0; i < LANES; i++)
        part[i] = i < count ? p[i] : 0.0f;
    return FROM_ARRAY(part);
}

DEVICE void store_some(GLOBAL float *p, vec v, int count)
{
    if (count >= LANES) {
        STORE(p, v);
        return;
    }
    float part[LANES];
    TO_ARRAY(part, v);
    UNROLL for (int i = 0; i < LANES; i++)
        if (i < count)
            p[i] = part[i];
}

#endif
