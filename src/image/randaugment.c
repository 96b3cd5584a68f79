/* RandAugment as timm draws it (deviation 0.5, probability 0.5 each) and AutoAugment's CIFAR-10
 * policy. */
#include "image/randaugment.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

/* How the amount follows from the level: as it is, truncated, rounded, of either sign with a
 * filter of its own, around one, of either sign. */
typedef enum Kind { PLAIN, WHOLE, ROUND, SIGNED, AROUND_ONE, EITHER } Kind;

static const struct {
    AugmentOp op;
    double scale, offset;
    Kind kind;
} RANDAUGMENT[] = {
#define ROW(op, scale, offset, kind) {AUGMENT_##op, scale, offset, kind},
#include "image/randaugment.def"
#undef ROW
};

static double sign(Rng *rng)
{
    return rng_below(rng, 2) ? 1.0 : -1.0;
}

void randaugment_draw(int n, double m, Rng *rng, Augment *out)
{
    static const uint8_t mean[3] = {124, 116, 104}; /* of ImageNet, whatever the data set */
    uint32_t chosen[16];
    CHECK(n >= 0 && n <= 16);
    /* All choices before all amounts, with replacement, as numpy's choice makes them. */
    for (int i = 0; i < n; i++)
        chosen[i] = rng_below(rng, sizeof RANDAUGMENT / sizeof *RANDAUGMENT);
    for (int i = 0; i < n; i++) {
        if (rng_uniform(rng) >= 0.5)
            continue;
        /* timm draws the magnitude anew for each operation. */
        double level = fmin(10.0, fmax(0.0, m + 0.5 * rng_normal(rng))) / 10;
        Kind kind = RANDAUGMENT[chosen[i]].kind;
        double amount = RANDAUGMENT[chosen[i]].scale * level + RANDAUGMENT[chosen[i]].offset;
        AugmentStep *step = augment_add(out, RANDAUGMENT[chosen[i]].op,
                                        kind == WHOLE ? trunc(amount) : amount);
        if (kind == SIGNED) {
            step->amount *= sign(rng);
            step->filter = rng_below(rng, 2) ? IMAGE_BICUBIC : IMAGE_BILINEAR;
            memcpy(step->fill, mean, 3);
        }
    }
}

typedef struct PolicyStep {
    AugmentOp op;
    double p;
    int index;
} PolicyStep;

static const PolicyStep POLICY[][2] = {
#define RANGE(op, low, high, kind, filter)
#define ROW(op1, p1, i1, op2, p2, i2) {{AUGMENT_##op1, p1, i1}, {AUGMENT_##op2, p2, i2}},
#include "image/autoaugment.def"
#undef ROW
#undef RANGE
};

static void add_policy_step(const PolicyStep *from, Rng *rng, Augment *out)
{
    static const struct {
        double low, high;
        Kind kind;
        ImageFilter filter;
    } ranges[AUGMENT_OP_COUNT] = {
#define RANGE(op, low, high, kind, filter) [AUGMENT_##op] = {low, high, kind, IMAGE_##filter},
#define ROW(op1, p1, i1, op2, p2, i2)
#include "image/autoaugment.def"
#undef ROW
#undef RANGE
    };
    double low = ranges[from->op].low, high = ranges[from->op].high;
    /* Ten steps from low to high. */
    double amount = low + from->index * ((high - low) / 9);
    AugmentStep *step = augment_add(out, from->op, amount);
    switch (ranges[from->op].kind) {
    case ROUND:
        step->amount = nearbyint(amount);
        break;
    case AROUND_ONE:
        step->amount = 1 + amount * sign(rng);
        break;
    case EITHER:
        step->amount = amount * sign(rng);
        break;
    default:
        break;
    }
    step->filter = ranges[from->op].filter;
    memset(step->fill, 128, 3);
}

void autoaugment_draw(Rng *rng, Augment *out)
{
    const PolicyStep *row = POLICY[rng_below(rng, sizeof POLICY / sizeof *POLICY)];
    for (int i = 0; i < 2; i++)
        if (rng_uniform(rng) < row[i].p)
            add_policy_step(&row[i], rng, out);
}
