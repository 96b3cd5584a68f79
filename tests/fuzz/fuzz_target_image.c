/* Fuzzes the code around the image decoders: any bytes decode or are refused with a text; a part
 * equals the same pixels of the whole; views of what decodes are made. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/rng.h"
#include "checkpoint/bytes/crc.h"
#include "image/decode.h"
#include "image/recipe.h"

#include <stdlib.h>
#include <string.h>

enum { PIXELS_MAX = 1 << 20 }; /* larger pictures only cost time */

static ImageBox want_random(int width, int height, void *context)
{
    Rng *rng = context;
    ImageBox box;
    box.width = 1 + (int)rng_below(rng, (uint32_t)width);
    box.height = 1 + (int)rng_below(rng, (uint32_t)height);
    box.left = (int)rng_below(rng, (uint32_t)(width - box.width + 1));
    box.top = (int)rng_below(rng, (uint32_t)(height - box.height + 1));
    return box;
}

static void check_part(const uint8_t *data, size_t size, Status status, const Image *full)
{
    Rng rng = rng_stream(1, 0, size, RNG_TEST);
    Image part;
    ImageBox box, whole;
    CHECK(image_decode_part("fuzz", data, size, want_random, &rng, &part, &box, &whole) == status);
    if (status != STATUS_OK)
        return;
    CHECK(whole.width == full->width && whole.height == full->height);
    for (int y = 0; y < box.height; y++)
        CHECK(memcmp(part.pixels + (size_t)y * (size_t)box.width * 3,
                     full->pixels +
                         ((size_t)(box.top + y) * (size_t)full->width + (size_t)box.left) * 3,
                     (size_t)box.width * 3) == 0);
    image_free(&part);
}

static void make_views(const uint8_t *data, size_t size, const Image *full)
{
    static uint8_t views[2][64 * 64 * 3];
    const Recipe *recipe = recipe_at((int)(size % 16));
    RecipeOptions options = recipe_options(recipe);
    options.size = 64;
    options.eval_resize = 70;
    Rng q = rng_stream(2, 0, size, RNG_VIEW_Q), k = rng_stream(2, 0, size, RNG_VIEW_K);
    Status status = recipe_views(recipe, &options, "fuzz", data, size, &q, &k, views[0], views[1]);
    CHECK(status == STATUS_OK || (status == STATUS_INPUT && full->width + full->height > 0));
    CHECK(view_eval_bytes(&options, "fuzz", data, size, views[0]) == STATUS_OK);
}

/* Asks for one pixel, and notes whether the whole is too large to go on with. */
static ImageBox want_nothing_large(int width, int height, void *context)
{
    *(int *)context = (int64_t)width * height > PIXELS_MAX;
    return (ImageBox){0, 0, 1, 1};
}

static void decode_and_view(const uint8_t *data, size_t size)
{
    Image corner, full = {0};
    ImageBox box, whole;
    int large = 0;
    Status first = image_decode_part("fuzz", data, size, want_nothing_large, &large, &corner, &box,
                                     &whole);
    if (first == STATUS_OK)
        image_free(&corner);
    if (large)
        return;
    Status status = image_decode("fuzz", data, size, &full);
    CHECK(status == STATUS_OK || status == STATUS_INPUT || status == STATUS_LIMIT);
    CHECK(status == STATUS_OK || strncmp(status_text(), "fuzz: ", 6) == 0);
    check_part(data, size, status, &full);
    if (status == STATUS_OK)
        make_views(data, size, &full);
    image_free(&full);
}

/* Puts the CRCs of a PNG's chunks right, without which libpng stops at the first change. */
static void mend_png(uint8_t *data, size_t size)
{
    for (size_t at = 8, length; at + 12 <= size; at += 12 + length) {
        uint8_t *chunk = data + at;
        length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        if (length > size - at - 12)
            return;
        uint32_t crc = crc_add(0, chunk + 4, length + 4);
        for (int i = 0; i < 4; i++)
            chunk[8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

int fuzz_target_image(const uint8_t *bytes, size_t size)
{
    decode_and_view(bytes, size);
    if (size < 8 || bytes[0] != 0x89)
        return 0;
    uint8_t *mended = mem_alloc(size);
    memcpy(mended, bytes, size);
    mend_png(mended, size);
    if (memcmp(mended, bytes, size) != 0)
        decode_and_view(mended, size);
    free(mended);
    return 0;
}
