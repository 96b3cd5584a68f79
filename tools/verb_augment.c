/* paco augment: draws a contact sheet of a recipe's views, so that a user sees what the network
 * sees. Each cell shows a query view above its key view; view i is the one training draws in
 * epoch i. */
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "data/recipe.h"
#include "verbs.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 4, VIEWS_MAX = 1024, BACKGROUND = 255 };

typedef struct AugmentRequest {
    const char *recipe, *image, *out;
    long long n, seed, size,
        randaugment_n; /* size, randaugment_n: -1 where the recipe's own counts */
    double randaugment_m;                   /* likewise, NaN */
} AugmentRequest;

static void usage(FILE *file)
{
    fprintf(file,
            "usage: paco augment --recipe NAME --image FILE --out SHEET.png [--n 16] [--seed 0]\n"
            "                    [--size PIXELS] [--randaugment-n 2] [--randaugment-m 10]\n"
            "recipes, of two views or one:");
    const Recipe *recipe;
    for (int i = 0; (recipe = recipe_at(i)); i++)
        fprintf(file, "%s%s", i % 6 ? " " : "\n  ", recipe->name);
    fprintf(file, "\n");
}

static Status read_integer(const char *name, const char *text, long long low, long long high,
                           long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno || end == text || *end || *out < low || *out > high)
        return status_fail(STATUS_USAGE, "augment: %s: '%s' is no integer from %lld to %lld", name,
                           text, low, high);
    return STATUS_OK;
}

static Status read_option(AugmentRequest *r, const char *name, const char *value)
{
    if (!value)
        return status_fail(STATUS_USAGE, "augment: %s: value missing", name);
    if (strcmp(name, "--recipe") == 0)
        r->recipe = value;
    else if (strcmp(name, "--image") == 0)
        r->image = value;
    else if (strcmp(name, "--out") == 0)
        r->out = value;
    else if (strcmp(name, "--n") == 0)
        return read_integer(name, value, 1, VIEWS_MAX, &r->n);
    else if (strcmp(name, "--seed") == 0)
        return read_integer(name, value, 0, INT64_MAX, &r->seed);
    else if (strcmp(name, "--size") == 0)
        return read_integer(name, value, 1, RECIPE_SIZE_MAX, &r->size);
    else if (strcmp(name, "--randaugment-n") == 0)
        return read_integer(name, value, 0, 16, &r->randaugment_n);
    else if (strcmp(name, "--randaugment-m") == 0) {
        char *end;
        r->randaugment_m = strtod(value, &end);
        if (end == value || *end || !(r->randaugment_m >= 0 && r->randaugment_m <= 100))
            return status_fail(STATUS_USAGE, "augment: %s: '%s' is no number from 0 to 100", name,
                               value);
    } else
        return status_fail(STATUS_USAGE, "augment: unknown option '%s'", name);
    return STATUS_OK;
}

static void paste(Image *sheet, int left, int top, const uint8_t *view, int size)
{
    for (int y = 0; y < size; y++)
        memcpy(sheet->pixels + ((size_t)(top + y) * (size_t)sheet->width + (size_t)left) * 3,
               view + (size_t)y * (size_t)size * 3, (size_t)size * 3);
}

static Status draw_sheet(const AugmentRequest *r, const Recipe *recipe,
                         const RecipeOptions *options, const uint8_t *bytes, size_t bytes_size,
                         Image *sheet)
{
    int size = options->size, columns = (int)ceil(sqrt((double)r->n));
    int rows = ((int)r->n + columns - 1) / columns, cell = 2 * size + GAP;
    size_t view = (size_t)size * (size_t)size * 3;
    uint64_t width = (uint64_t)columns * (uint64_t)(size + GAP) + GAP;
    uint64_t height = (uint64_t)rows * (uint64_t)(cell + GAP) + GAP;
    if (width * height > IMAGE_MAX_PIXELS)
        return status_fail(STATUS_LIMIT,
                           "augment: the sheet is too large (%llu x %llu vs at most %d pixels). "
                           "Use a smaller --n or --size",
                           (unsigned long long)width, (unsigned long long)height, IMAGE_MAX_PIXELS);
    *sheet = image_new((int)width, (int)height);
    memset(sheet->pixels, BACKGROUND, (size_t)width * (size_t)height * 3);
    uint8_t *views = mem_alloc(2 * view);
    Status status = STATUS_OK;
    for (int i = 0; i < r->n && status == STATUS_OK; i++) {
        Rng query = rng_stream((uint64_t)r->seed, (uint32_t)i, 0, RNG_VIEW_Q);
        Rng key = rng_stream((uint64_t)r->seed, (uint32_t)i, 0, RNG_VIEW_K);
        status = recipe_views(recipe, options, r->image, bytes, bytes_size, &query, &key, views,
                              views + view);
        int left = GAP + i % columns * (size + GAP), top = GAP + i / columns * (cell + GAP);
        if (status == STATUS_OK) {
            paste(sheet, left, top, views, size);
            paste(sheet, left, top + size + GAP / 2, views + view, size);
        }
    }
    free(views);
    return status;
}

static Status augment(const AugmentRequest *r)
{
    if (!r->recipe || !r->image || !r->out)
        return status_fail(STATUS_USAGE, "augment: --recipe, --image and --out are needed");
    const Recipe *recipe = recipe_find(r->recipe);
    if (!recipe)
        return status_fail(STATUS_USAGE,
                           "augment: unknown recipe '%s'. paco augment --help lists them",
                           r->recipe);
    RecipeOptions options = recipe_options(recipe);
    if (r->size > 0)
        options.size = (int)r->size;
    if (r->randaugment_n >= 0)
        options.randaugment_n = (int)r->randaugment_n;
    if (!isnan(r->randaugment_m))
        options.randaugment_m = r->randaugment_m;
    uint8_t *bytes;
    size_t size;
    Image sheet = {0};
    TRY(file_read(r->image, IMAGE_MAX_BYTES, &bytes, &size));
    Status status = draw_sheet(r, recipe, &options, bytes, size, &sheet);
    free(bytes);
    if (status == STATUS_OK)
        status = image_write_png(r->out, &sheet);
    if (status == STATUS_OK)
        log_info("%s: %lld views of %s, query (%s) above key (%s), %d x %d pixels", r->out, r->n,
                 r->image, recipe_view_name(recipe, RECIPE_QUERY),
                 recipe_view_name(recipe, RECIPE_KEY), sheet.width, sheet.height);
    image_free(&sheet);
    return status;
}

int verb_augment(int argc, char **argv)
{
    AugmentRequest request = {.n = 16, .size = -1, .randaugment_n = -1, .randaugment_m = NAN};
    Status status = STATUS_OK;
    for (int i = 1; i < argc && status == STATUS_OK; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        status = read_option(&request, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
    }
    if (status == STATUS_OK)
        status = augment(&request);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return status;
}
