/* paco presets: the published recipes, with their published accuracy; or one of them: how it is
 * followed, and what it takes here. */
#include "base/log.h"
#include "measure/estimate.h"
#include "options/presets.h"
#include "verbs.h"

#include <string.h>

const char usage_presets[] =
    "usage: paco presets\n"
    "       paco presets NAME [--device NAME] [--no-measure]\n\n"
    "Lists the published recipes. Of one of them: the command that follows it, where lists and "
    "images come from, with\n"
    "their checksums, all options, and what it takes: memory, and a time from a few steps that are "
    "measured, which\n"
    "takes a quarter of a minute, and that of an H100 by prediction. The output is a file for "
    "--config: what is no\n"
    "option begins with #; on a terminal the command does not, so that it can be pasted.";

typedef struct Request {
    const char *preset, *device;
    bool measure;
} Request;

static Status read_words(int argc, char **argv, Request *r)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--no-measure") == 0)
            r->measure = false;
        else if (strncmp(argv[i], "--device=", 9) == 0)
            r->device = argv[i] + 9;
        else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            r->device = argv[++i];
        else if (argv[i][0] == '-')
            return status_fail(STATUS_USAGE, "presets: %s '%.60s'. `paco presets --help` explains",
                               strcmp(argv[i], "--device") ? "unknown option"
                                                           : "value missing behind",
                               argv[i]);
        else if (r->preset)
            return status_fail(STATUS_USAGE, "presets: at most one name is expected");
        else
            r->preset = argv[i];
    }
    return STATUS_OK;
}

static void print_estimate(const Source *data, const Request *r, Options *o, FILE *out)
{
    fprintf(out, "#\n# What it takes\n");
    o->classes = data->size->classes;
    o->device = r->device ? r->device : o->device;
    estimate_print(o, source_images(data, o), out);
}

static Status print_one(const Request *r, FILE *out)
{
    Options o;
    options_init(&o);
    Status status = options_preset(&o, r->preset);
    if (status == STATUS_OK) {
        const Preset *preset = preset_find(r->preset);
        preset_print(preset, &o, out);
        if (r->measure)
            print_estimate(source_at(preset->data), r, &o, out);
    }
    options_free(&o);
    return status;
}

int verb_presets(int argc, char **argv)
{
    Request r = {.measure = true};
    Status status = read_words(argc - 1, argv + 1, &r);
    if (status == STATUS_OK && r.preset)
        status = print_one(&r, stdout);
    else if (status == STATUS_OK)
        presets_print(stdout);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return status;
}
