/* Times decoding and views over a folder of images, in one thread. */
#define _DEFAULT_SOURCE
#include "measure/image_bench.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "image/decode.h"
#include "image/image.h"
#include "image/kernels.h"
#include "image/recipe.h"
#include "measure/seconds.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Bench {
    const Recipe *recipe;
    RecipeOptions options;
    uint8_t *query, *key; /* [224][224][3] */
    uint64_t sample;
    Image *images;        /* [count], decoded before: mode "views" */
} Bench;

typedef Status BenchMode(Bench *bench, const char *path, const uint8_t *bytes, size_t size);

static Status bench_decode(Bench *bench, const char *path, const uint8_t *bytes, size_t size)
{
    Image image;
    (void)bench;
    TRY(image_decode(path, bytes, size, &image));
    image_free(&image);
    return STATUS_OK;
}

static Status bench_view(Bench *bench, const char *path, const uint8_t *bytes, size_t size)
{
    Rng rng = rng_stream(1, 0, bench->sample, RNG_VIEW_Q);
    return recipe_views(bench->recipe, &bench->options, path, bytes, size, &rng, NULL, bench->query,
                        NULL);
}

static Status bench_pair(Bench *bench, const char *path, const uint8_t *bytes, size_t size)
{
    Rng q = rng_stream(1, 0, bench->sample, RNG_VIEW_Q);
    Rng k = rng_stream(1, 0, bench->sample, RNG_VIEW_K);
    return recipe_views(bench->recipe, &bench->options, path, bytes, size, &q, &k, bench->query,
                        bench->key);
}

static Status bench_views(Bench *bench, const char *path, const uint8_t *bytes, size_t size)
{
    Image *image = &bench->images[bench->sample];
    if (!image->pixels)
        return image_decode(path, bytes, size, image);
    Rng q = rng_stream(1, 0, bench->sample, RNG_VIEW_Q);
    Rng k = rng_stream(1, 0, bench->sample, RNG_VIEW_K);
    TRY(recipe_view(bench->recipe, RECIPE_QUERY, &bench->options, path, image, &q, bench->query));
    return recipe_view(bench->recipe, RECIPE_KEY, &bench->options, path, image, &k, bench->key);
}

static Status bench_eval(Bench *bench, const char *path, const uint8_t *bytes, size_t size)
{
    return view_eval_bytes(&bench->options, path, bytes, size, bench->query);
}

static int is_image(const struct dirent *entry)
{
    static const char *const ends[] = {".jpeg", ".jpg", ".png"};
    const char *dot = strrchr(entry->d_name, '.');
    for (int i = 0; dot && i < 3; i++)
        if (strcasecmp(dot, ends[i]) == 0)
            return 1;
    return 0;
}

static Status pass(Bench *bench, BenchMode *mode, const char *folder, struct dirent **entries,
                   int count)
{
    for (int i = 0; i < count; i++) {
        uint8_t *bytes;
        size_t size;
        char *path = file_join(folder, entries[i]->d_name);
        bench->sample = (uint64_t)i;
        Status status = file_read(path, IMAGE_MAX_BYTES, &bytes, &size);
        if (status == STATUS_OK) {
            status = mode(bench, path, bytes, size);
            free(bytes);
        }
        free(path);
        TRY(status);
    }
    return STATUS_OK;
}

static Status measure(Bench *bench, BenchMode *mode, const char *name, const char *folder,
                      struct dirent **entries, int count, int repetitions, FILE *out)
{
    double *seconds = mem_alloc((size_t)(repetitions + 1) * sizeof *seconds);
    Status status = STATUS_OK;
    for (int r = 0; r <= repetitions && status == STATUS_OK; r++) {
        double begin = clock_seconds();
        status = pass(bench, mode, folder, entries, count);
        seconds[r] = clock_seconds() - begin;
    }
    if (status == STATUS_OK) {
        seconds_sort(seconds + 1, repetitions);
        double median = seconds[1 + repetitions / 2];
        JsonWriter w = {.file = out};
        json_begin_object(&w, NULL, JSON_LINE);
        json_put_text(&w, "mode", name);
        json_put_integer(&w, "images", count);
        json_put_fixed(&w, "images_per_s", count / median, 3);
        json_put_fixed(&w, "seconds", median, 6);
        json_put_text(&w, "kernels", kernels()->name);
        json_end(&w);
        fputc('\n', out);
    }
    free(seconds);
    return status;
}

Status image_bench_run(const char *mode, const char *folder, int repetitions, FILE *out)
{
    static const struct {
        const char *name;
        BenchMode *run;
    } modes[] = {{"decode", bench_decode}, {"view", bench_view}, {"pair", bench_pair},
                 {"views", bench_views}, {"eval", bench_eval}};
    enum { MODES = sizeof modes / sizeof *modes };
    int m = 0;
    while (m < MODES && strcmp(modes[m].name, mode) != 0)
        m++;
    if (m == MODES || repetitions < 1)
        return status_fail(STATUS_USAGE,
                           "bench image: unknown mode '%s', or no repetitions (%d). Modes: "
                           "decode, view, pair, views, eval",
                           mode, repetitions);
    struct dirent **entries;
    int count = scandir(folder, &entries, is_image, alphasort);
    if (count < 0)
        return status_fail(STATUS_IO, "%s: %s", folder, strerror(errno));
    Bench bench = {.recipe = recipe_find("randcls_sim")};
    bench.options = recipe_options(bench.recipe);
    size_t view = (size_t)bench.options.size * (size_t)bench.options.size * 3;
    bench.query = mem_alloc(view);
    bench.key = mem_alloc(view);
    bench.images = mem_zero((size_t)count, sizeof *bench.images);
    Status status = count > 0 ? measure(&bench, modes[m].run, mode, folder, entries, count,
                                        repetitions, out)
                              : status_fail(STATUS_INPUT, "%s: no JPEG or PNG files", folder);
    for (int i = 0; i < count; i++) {
        image_free(&bench.images[i]);
        free(entries[i]);
    }
    free(entries);
    free(bench.images);
    free(bench.query);
    free(bench.key);
    return status;
}
