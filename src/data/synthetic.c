/* Procedural long-tailed images, made in memory: a set to try everything on without a download.
 *
 * A class is a shape (disc, square, triangle, ring, cross), plain or striped, with a favourite hue.
 * Place, size, angle and colours vary, hues of neighbouring classes overlap, the background is a
 * gradient with a distracting patch, and noise lies over all. Training sizes fall exponentially
 * from 500 to 15, so that there are many-, medium- and few-shot classes; the test half has 50
 * images of each.
 *
 * Image i of a half is a function of (seed, half, i). Only exact operations and square roots are
 * used, so the pixels are the same on every machine. */
#include "data/kinds.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 32, CLASSES = DATASET_CLASSES_SYNTHETIC, SHAPES = 5, TEST_PER_CLASS = 50 };

static const int train_counts[CLASSES] = {500, 340, 230, 155, 105, 72, 48, 33, 19, 15};

static const char *const names[CLASSES] = {
    "disc", "square", "triangle", "ring", "cross",
    "striped disc", "striped square", "striped triangle", "striped ring", "striped cross",
};

typedef struct Scene {
    int shape;
    bool striped;
    double x, y, radius;   /* centre and size of the shape, in pixels */
    double cosine, sine;   /* its angle */
    double phase;          /* of the stripes */
    double ink[2][3];      /* colours of the shape: stripes alternate */
    double ground[2][3];   /* colours at the two ends of the gradient */
    double across, down;   /* its direction */
    double patch[3];       /* a rectangle that distracts */
    double px, py, pw, ph; /* its centre and half sides */
} Scene;

static double between(Rng *rng, double low, double high)
{
    return low + (high - low) * rng_uniform(rng);
}

/* Bell-shaped around 0 with deviation 1, from four uniforms: exact, unlike a logarithm. */
static double bell(Rng *rng)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += rng_uniform(rng);
    return (sum - 2.0) * 1.7320508075688772;
}

/* A direction, from a point of the unit disc. */
static void direction(Rng *rng, double *x, double *y)
{
    double square;
    do {
        *x = between(rng, -1, 1);
        *y = between(rng, -1, 1);
        square = *x * *x + *y * *y;
    } while (square > 1 || square < 1e-4);
    *x /= sqrt(square);
    *y /= sqrt(square);
}

/* RGB 0-255 of hue in turns, saturation and value 0-1. */
static void colour(double hue, double saturation, double value, double rgb[3])
{
    for (int c = 0; c < 3; c++) {
        double h = hue + (3 - c) / 3.0;
        double away = fabs((h - floor(h)) * 6 - 3) - 1; /* piecewise-linear bump of this channel */
        double pure = away < 0 ? 0 : away > 1 ? 1 : away;
        rgb[c] = 255 * value * (1 - saturation + saturation * pure);
    }
}

/* A colour of any hue. Each draw is a statement: the order of arguments is the compiler's. */
static void any_colour(Rng *rng, double saturation, double most_saturation, double value,
                       double most_value, double rgb[3])
{
    double v = between(rng, value, most_value);
    double s = between(rng, saturation, most_saturation);
    colour(rng_uniform(rng), s, v, rgb);
}

static Scene draw_scene(Rng *rng, int class)
{
    Scene s = {.shape = class % SHAPES, .striped = class >= SHAPES};
    s.radius = between(rng, 8, 13);
    s.x = between(rng, 12, SIDE - 12);
    s.y = between(rng, 12, SIDE - 12);
    direction(rng, &s.cosine, &s.sine);
    s.phase = rng_uniform(rng);
    double hue = class * 0.3 + 0.05 * bell(rng), saturation = between(rng, 0.4, 0.9);
    double value = between(rng, 0.5, 1.0);
    colour(hue, saturation, value, s.ink[0]);
    colour(hue, saturation, value * between(rng, 0.3, 0.6), s.ink[1]);
    for (int end = 0; end < 2; end++)
        any_colour(rng, 0, 0.4, 0.1, 0.8, s.ground[end]);
    direction(rng, &s.across, &s.down);
    any_colour(rng, 0.2, 1, 0.3, 1, s.patch);
    s.px = between(rng, 0, SIDE);
    s.py = between(rng, 0, SIDE);
    s.pw = between(rng, 1, 5);
    s.ph = between(rng, 1, 5);
    return s;
}

/* Signed distance to the outline, in units of the shape's size; negative inside. */
static double outline(int shape, double u, double v)
{
    double r = sqrt(u * u + v * v), a = fabs(u), b = fabs(v);
    switch (shape) {
    case 0: return r - 0.85;
    case 1: return fmax(a, b) - 0.75;
    case 2: return fmax(v, 0.8660254037844386 * a - 0.5 * v) - 0.5;
    case 3: return fabs(r - 0.7) - 0.2;
    default: return fmin(fmax(a - 0.9, b - 0.25), fmax(b - 0.9, a - 0.25));
    }
}

static void paint(const Scene *s, int x, int y, double rgb[3])
{
    double dx = x - s->x, dy = y - s->y;
    double u = (s->cosine * dx + s->sine * dy) / s->radius;
    double v = (s->cosine * dy - s->sine * dx) / s->radius;
    double cover = 0.5 - outline(s->shape, u, v) * s->radius;
    cover = cover < 0 ? 0 : cover > 1 ? 1 : cover;
    double along = 0.5 + ((x - SIDE / 2) * s->across + (y - SIDE / 2) * s->down) / (1.5 * SIDE);
    double stripe = 1.75 * u + s->phase;
    const double *ink = s->ink[s->striped && stripe - floor(stripe) < 0.5];
    bool patched = fabs(x - s->px) < s->pw && fabs(y - s->py) < s->ph;
    for (int c = 0; c < 3; c++) {
        double ground =
            patched ? s->patch[c] : s->ground[0][c] + along * (s->ground[1][c] - s->ground[0][c]);
        rgb[c] = ground + cover * (ink[c] - ground);
    }
}

/* out[SIDE][SIDE][3] */
static void make_image(Rng *rng, int class, uint8_t *out)
{
    Scene scene = draw_scene(rng, class);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            double rgb[3];
            paint(&scene, x, y, rgb);
            for (int c = 0; c < 3; c++) {
                uint32_t b = rng_bits(rng);
                int four = (int)((b & 255) + (b >> 8 & 255) + (b >> 16 & 255) + (b >> 24)) - 510;
                double level = rgb[c] + 0.08 * four + 0.5; /* noise of deviation 12 */
                *out++ = level < 0 ? 0 : level > 255 ? 255 : (uint8_t)level;
            }
        }
    }
}

Status synthetic_open(const DatasetSpec *spec, Dataset *d)
{
    for (int c = 0; c < CLASSES; c++)
        d->count += spec->train ? train_counts[c] : TEST_PER_CLASS;
    d->side = SIDE;
    if (!d->class_names)
        d->class_names = arena_copy(&d->arena, names, sizeof names);
    d->labels = mem_alloc((size_t)d->count * sizeof *d->labels);
    d->pixels = mem_alloc((size_t)d->count * SIDE * SIDE * 3);
    int64_t i = 0;
    for (int c = 0; c < CLASSES; c++)
        for (int n = spec->train ? train_counts[c] : TEST_PER_CLASS; n-- > 0; i++) {
            Rng rng = rng_stream(spec->seed, spec->train ? 0 : 1, (uint64_t)i, RNG_SYNTHETIC);
            d->labels[i] = c;
            make_image(&rng, c, d->pixels + i * SIDE * SIDE * 3);
        }
    return STATUS_OK;
}
