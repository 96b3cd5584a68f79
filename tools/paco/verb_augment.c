/* paco augment: draws a contact sheet of a recipe's views, so that a user sees what the network
 * sees. Each cell shows a query view above its key view; view i is the one training draws in
 * epoch i. */
#include "base/file.h"
#include "base/log.h"
#include "image/decode.h"
#include "image/encode_png.h"
#include "image/sheet.h"
#include "verbs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the table of options does not know. */
typedef struct AugmentRequest {
    const char *image, *out;
    int n;
} AugmentRequest;

const char usage_augment[] =
    "usage: paco augment --image FILE --out SHEET.png [--recipe NAME] [options]\n\n"
    "Draws the query view above the key view, as training sees them in as many epochs.";

static Status read_count(const char *text, int *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > SHEET_VIEWS_MAX)
        return status_fail(STATUS_USAGE, "--n: no whole number from 1 to %d ('%.60s')",
                           SHEET_VIEWS_MAX, text);
    *out = (int)value;
    return STATUS_OK;
}

/* Takes `--name value` or `--name=value` out of the words from `at` on. *value stays where they are
 * another option. */
static Status take(const char *name, int *argc, char **argv, int at, const char **value)
{
    size_t length = strlen(name);
    if (strncmp(argv[at], name, length) != 0 || (argv[at][length] && argv[at][length] != '='))
        return STATUS_OK;
    bool own = argv[at][length] == '=',
         follows = !own && at + 1 < *argc && strncmp(argv[at + 1], "--", 2) != 0;
    if (!own && !follows)
        return status_fail(STATUS_USAGE, "%s: value missing", name);
    *value = own ? argv[at] + length + 1 : argv[at + 1];
    int taken = own ? 1 : 2;
    memmove(argv + at, argv + at + taken, (size_t)(*argc - at - taken) * sizeof *argv);
    *argc -= taken;
    return STATUS_OK;
}

/* The options of this verb alone; the words that stay are the table's. */
static Status take_own(AugmentRequest *r, int *argc, char **argv)
{
    for (int i = 0; i < *argc;) {
        const char *count = NULL;
        int before = *argc;
        TRY(take("--image", argc, argv, i, &r->image));
        if (*argc == before)
            TRY(take("--out", argc, argv, i, &r->out));
        if (*argc == before)
            TRY(take("--n", argc, argv, i, &count));
        if (count)
            TRY(read_count(count, &r->n));
        i += *argc == before;
    }
    return STATUS_OK;
}

static Status augment(const AugmentRequest *r, Options *o)
{
    if (!r->image || !r->out)
        return status_fail(STATUS_USAGE, "augment: --image and --out are needed");
    RecipeOptions options;
    options_default_recipe(o);
    const Recipe *recipe = options_recipe(o, &options);
    uint8_t *bytes;
    size_t size;
    Image sheet = {0};
    TRY(file_read(r->image, IMAGE_MAX_BYTES, &bytes, &size));
    Status status =
        sheet_draw(recipe, &options, o->seed, r->n, r->image, bytes, size, &sheet);
    free(bytes);
    if (status == STATUS_OK)
        status = image_write_png(r->out, &sheet);
    if (status == STATUS_OK)
        log_info("%s: %d views of %s, query (%s) above key (%s), %d x %d pixels", r->out, r->n,
                 r->image, recipe_view_name(recipe, RECIPE_QUERY),
                 recipe_view_name(recipe, RECIPE_KEY), sheet.width, sheet.height);
    image_free(&sheet);
    return status;
}

static Status run(int argc, char **argv, Options *options)
{
    AugmentRequest request = {.n = 16};
    argc--, argv++;
    TRY(take_own(&request, &argc, argv));
    TRY(options_parse(options, OPTION_AUGMENT, 0, argc, argv));
    return augment(&request, options);
}

int verb_augment(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
