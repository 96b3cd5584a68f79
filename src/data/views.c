/* Encoded files are decoded only where their views need it, and once for both; images in memory are
 * copied. */
#include "data/views.h"

#include <stdlib.h>

enum { NAME_ROOM = 4400 };

/* Views of the encoded file of image `i`. */
static Status views_of_file(const LoaderSpec *spec, int64_t i, const char *name, Rng *q, Rng *k,
                            uint8_t *query, uint8_t *key)
{
    uint8_t *bytes;
    size_t size;
    TRY(dataset_read(spec->data, i, &bytes, &size));
    Status status =
        spec->views == LOADER_EVAL
            ? view_eval_bytes(&spec->options, name, bytes, size, query)
            : recipe_views(spec->recipe, &spec->options, name, bytes, size, q, k, query, key);
    free(bytes);
    return status;
}

/* Views of image `i`, whose pixels are in memory. */
static Status views_of_pixels(const LoaderSpec *spec, int64_t i, const char *name, Rng *q, Rng *k,
                              uint8_t *query, uint8_t *key)
{
    Image image;
    TRY(dataset_fetch(spec->data, i, &image));
    Status status = STATUS_OK;
    if (spec->views == LOADER_EVAL)
        view_eval(&spec->options, &image, query);
    else if (query)
        status = recipe_view(spec->recipe, RECIPE_QUERY, &spec->options, name, &image, q, query);
    if (status == STATUS_OK && key)
        status = recipe_view(spec->recipe, RECIPE_KEY, &spec->options, name, &image, k, key);
    image_free(&image);
    return status;
}

Status views_make(const LoaderSpec *spec, uint32_t epoch, uint32_t i, uint64_t sample,
                  uint8_t *query, uint8_t *key)
{
    char name[NAME_ROOM];
    Rng q = rng_stream(spec->seed, epoch, sample, RNG_VIEW_Q);
    Rng k = rng_stream(spec->seed, epoch, sample, RNG_VIEW_K);
    dataset_name(spec->data, i, name, sizeof name);
    return spec->data->encoded ? views_of_file(spec, i, name, &q, &k, query, key)
                               : views_of_pixels(spec, i, name, &q, &k, query, key);
}
