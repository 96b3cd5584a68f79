/* Runs the image oracle's cases: a table of operations, their parameters read from JSON and
 * checked, and how far a pixel may be off. Zero levels where Pillow computes in integers or from
 * tables, one where it computes in floating point (another build of Pillow may round there
 * otherwise). */
#include "verify/image_cases.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "image/decode.h"
#include "image/image_ops.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One operation to run: its parameters, the name of its case for messages, the first failure. */
typedef struct Call {
    const char *where;
    const Json *params;
    Status status;
} Call;

/* A number within [low, high]. */
static double number(Call *call, const char *key, double low, double high)
{
    const Json *value = json_get(call->params, key);
    double v = value && value->kind == JSON_NUMBER ? value->number : NAN;
    if (v >= low && v <= high)
        return v;
    if (call->status == STATUS_OK)
        call->status = status_fail(STATUS_INPUT,
                                   "%s: key '%s': missing or out of range (%g vs %g to %g)",
                                   call->where, key, v, low, high);
    return low;
}

static int integer(Call *call, const char *key, int low, int high)
{
    double v = number(call, key, low, high);
    if (v != floor(v) && call->status == STATUS_OK)
        call->status = status_fail(STATUS_INPUT, "%s: key '%s': %g is no integer", call->where, key,
                                   v);
    return (int)v;
}

static double factor(Call *call)
{
    return number(call, "factor", -100, 100);
}

static ImageFilter resample(Call *call)
{
    static const char *const names[] = {"nearest", "bilinear", "bicubic"};
    const char *name = json_text(call->params, "resample", "");
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (ImageFilter)i;
    if (call->status == STATUS_OK)
        call->status = status_fail(STATUS_INPUT, "%s: key 'resample': unknown filter '%s'",
                                   call->where, name);
    return IMAGE_NEAREST;
}

static const uint8_t *fill(Call *call, uint8_t colour[3])
{
    const Json *list = json_get(call->params, "fill");
    const Json *value = list && list->kind == JSON_ARRAY && list->count == 3 ? list->child : NULL;
    for (int c = 0; c < 3; c++, value = value ? value->next : NULL) {
        colour[c] = value && value->integral ? (uint8_t)value->integer : 0;
        if ((!value || !value->integral || value->integer < 0 || value->integer > 255) &&
            call->status == STATUS_OK)
            call->status = status_fail(STATUS_INPUT, "%s: key 'fill': not three bytes",
                                       call->where);
    }
    return colour;
}

/* A box inside the image. */
static ImageBox box(Call *call, const Image *image)
{
    ImageBox b;
    b.left = integer(call, "left", 0, image->width - 1);
    b.top = integer(call, "top", 0, image->height - 1);
    b.width = integer(call, "width", 1, image->width - b.left);
    b.height = integer(call, "height", 1, image->height - b.top);
    return b;
}

enum { SIDE_MAX = 4096 };

static void resized_crop(Call *call, Image *image)
{
    ImageBox all = {0, 0, image->width, image->height}, part = box(call, image);
    int size = integer(call, "size", 1, SIDE_MAX);
    if (call->status != STATUS_OK)
        return;
    Image out = image_resized_crop(image, all, part, size, size);
    image_free(image);
    *image = out;
}

static void resize_center(Call *call, Image *image)
{
    ImageBox all = {0, 0, image->width, image->height};
    int size = integer(call, "size", 1, SIDE_MAX), crop = integer(call, "crop", 1, SIDE_MAX);
    Image out = image_resize_center(image, all, all, size, crop);
    image_free(image);
    *image = out;
}

static void resize_short_side(Call *call, Image *image)
{
    int size = integer(call, "size", 1, SIDE_MAX);
    if (call->status == STATUS_OK)
        call->status = image_resize_short_side(call->where, image, size);
}

static void pad_crop(Call *call, Image *image)
{
    int pad = integer(call, "pad", 0, SIDE_MAX), size = integer(call, "size", 1, SIDE_MAX);
    int top = integer(call, "top", 0, SIDE_MAX), left = integer(call, "left", 0, SIDE_MAX);
    image_pad_crop(image, top, left, size, pad);
}

static void cutout(Call *call, Image *image)
{
    int y = integer(call, "y", -SIDE_MAX, SIDE_MAX), x = integer(call, "x", -SIDE_MAX, SIDE_MAX);
    image_cutout(image, y, x, integer(call, "length", 0, SIDE_MAX));
}

static void solarize_add(Call *call, Image *image)
{
    int add = integer(call, "add", -255, 255);
    image_solarize_add(image, add, integer(call, "threshold", 0, 256));
}

static void autoaugment_rotate(Call *call, Image *image)
{
    image_rotate(image, number(call, "degrees", -1e6, 1e6), IMAGE_NEAREST,
                 (uint8_t[3]){128, 128, 128});
}

static Status run(const char *where, const Json *params, Image *image, int *tolerance);

static void chain(Call *call, Image *image)
{
    const Json *steps = json_get(call->params, "steps");
    for (const Json *step = steps ? steps->child : NULL; step && call->status == STATUS_OK;
         step = step->next) {
        int tolerance;
        if (strcmp(json_text(step, "op", ""), "chain") == 0)
            call->status = status_fail(STATUS_INPUT, "%s: a chain within a chain", call->where);
        else
            call->status = run(call->where, step, image, &tolerance);
    }
}

/* X(operation, tolerance in levels, statement over call and image). A chain is allowed no more
 * than one of its parts. */
#define FILTER_FILL resample(call), fill(call, (uint8_t[3]){0})
#define CASE_OPS(X)                                                                             \
    X("decode", 0, (void)call)                                                                  \
    X("resize_short_side", 0, resize_short_side(call, image))                                   \
    X("resize_short_side+center_crop", 0, resize_center(call, image))                           \
    X("resized_crop", 0, resized_crop(call, image))                                             \
    X("hflip", 0, image_flip(image))                                                            \
    X("pad_crop", 0, pad_crop(call, image))                                                     \
    X("cutout", 0, cutout(call, image))                                                         \
    X("grayscale", 0, image_grayscale(image))                                                   \
    X("gaussian_blur", 0, image_gaussian_blur(image, number(call, "sigma", 0, 1000)))           \
    X("autocontrast", 0, image_autocontrast(image))                                             \
    X("equalize", 0, image_equalize(image))                                                     \
    X("invert", 0, image_invert(image))                                                         \
    X("solarize", 0, image_solarize(image, number(call, "threshold", 0, 256)))                  \
    X("solarize_add", 0, solarize_add(call, image))                                             \
    X("posterize", 0, image_posterize(image, integer(call, "bits", 0, 8)))                      \
    X("autoaugment_rotate", 0, autoaugment_rotate(call, image))                                 \
    X("brightness", 1, image_brightness(image, factor(call)))                                   \
    X("contrast", 1, image_contrast(image, factor(call)))                                       \
    X("color", 1, image_color(image, factor(call)))                                             \
    X("sharpness", 1, image_sharpness(image, factor(call)))                                     \
    X("hue", 1, image_hue(image, number(call, "factor", -0.5, 0.5)))                            \
    X("rotate", 1, image_rotate(image, number(call, "degrees", -1e6, 1e6), FILTER_FILL))        \
    X("shear_x", 1, image_shear_x(image, factor(call), FILTER_FILL))                            \
    X("shear_y", 1, image_shear_y(image, factor(call), FILTER_FILL))                            \
    X("translate_x", 1, image_translate_x(image, factor_of(call), FILTER_FILL))                 \
    X("translate_y", 1, image_translate_y(image, factor_of(call), FILTER_FILL))                 \
    X("chain", 1, chain(call, image))

static double factor_of(Call *call)
{
    return number(call, "fraction", -100, 100);
}

/* Applies one operation. An affine map by nearest neighbour is not floating point to one level:
 * a pixel is the right one or not, so its tolerance is 0. */
static Status run(const char *where, const Json *params, Image *image, int *tolerance)
{
    Call state = {.where = where, .params = params}, *call = &state;
    const char *op = json_text(params, "op", "");
    *tolerance = 0;
#define X(name, levels, statement)                                                         \
    if (strcmp(op, name) == 0) {                                                           \
        *tolerance = strcmp(json_text(params, "resample", ""), "nearest") == 0 ? 0 : levels; \
        statement;                                                                         \
        return call->status;                                                               \
    }
    CASE_OPS(X)
#undef X
    return status_fail(STATUS_INPUT, "%s: unknown operation '%s'", where, op);
}

static Status make_input(const char *where, const Json *params, const Image *image, Image *out)
{
    static const char *const names[] = {"image", "eval_256_224",
                                        "eval_256_224 resized to 32x32, bilinear"};
    const char *input = json_text(params, "input", "");
    ImageBox all = {0, 0, image->width, image->height};
    if (strcmp(input, names[0]) == 0) {
        *out = image_copy(image);
    } else if (strcmp(input, names[1]) == 0) {
        *out = image_resize_center(image, all, all, 256, 224);
    } else if (strcmp(input, names[2]) == 0) {
        *out = image_resize_center(image, all, all, 256, 224);
        image_resize(out, 32, 32);
    } else {
        return status_fail(STATUS_INPUT, "%s: key 'input': unknown '%s'", where, input);
    }
    return STATUS_OK;
}

static Status compare(const char *path, const Image *have, const Image *want, int *worst,
                      long *differing)
{
    if (have->width != want->width || have->height != want->height)
        return status_fail(STATUS_INPUT, "%s: size differs (%d x %d vs %d x %d)", path, have->width,
                           have->height, want->width, want->height);
    *worst = 0;
    *differing = 0;
    for (size_t i = 0; i < (size_t)have->width * (size_t)have->height; i++) {
        int most = 0;
        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            int away = abs(have->pixels[c] - want->pixels[c]);
            most = away > most ? away : most;
        }
        *differing += most > 0;
        *worst = most > *worst ? most : *worst;
    }
    return STATUS_OK;
}

static bool run_case(const char *folder, const Json *params, const Image *image, FILE *out)
{
    Arena arena = {0};
    const char *where = arena_printf(&arena, "%s/cases.json: %s", folder, params->key);
    const char *path = arena_printf(&arena, "%s/%s.png", folder, params->key);
    Image have = {0}, want = {0};
    int worst = 0, tolerance = 0;
    long differing = 0;
    Status status;
    TRY_OR(done, status, make_input(where, params, image, &have));
    TRY_OR(done, status, run(where, params, &have, &tolerance));
    TRY_OR(done, status, image_read(path, &want));
    TRY_OR(done, status, compare(path, &have, &want, &worst, &differing));
done:;
    bool pass = status == STATUS_OK && worst <= tolerance;
    if (status != STATUS_OK)
        fprintf(out, "FAIL %-32s %s\n", params->key, status_text());
    else
        fprintf(out, "%s %-32s worst %d of %d allowed, %ld of %ld pixels differ\n",
                pass ? "PASS" : "FAIL", params->key, worst, tolerance, differing,
                (long)have.width * have.height);
    image_free(&have);
    image_free(&want);
    arena_free(&arena);
    return pass;
}

Status image_cases_run(const char *image, const char *folder, FILE *out, int *failed)
{
    Arena arena = {0};
    Image decoded = {0};
    Json *root;
    char *path = file_join(folder, "cases.json");
    int passed = 0;
    Status status;
    *failed = 0;
    TRY_OR(done, status, json_read(&arena, path, &root));
    if (root->kind != JSON_OBJECT || root->count == 0) {
        status = status_fail(STATUS_INPUT, "%s: no cases", path);
        goto done;
    }
    TRY_OR(done, status, image_read(image, &decoded));
    for (const Json *params = root->child; params; params = params->next) {
        bool pass = run_case(folder, params, &decoded, out);
        passed += pass;
        *failed += !pass;
    }
    log_text(out, "%s: %d cases passed, %d failed", folder, passed, *failed);
    fputc('\n', out);
done:
    image_free(&decoded);
    arena_free(&arena);
    free(path);
    return status;
}
