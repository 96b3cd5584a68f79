/* paco tune: finds the fastest algorithm for every convolution and matrix product of a model. */
#include "base/log.h"
#include "train/tune.h"
#include "verbs.h"

#include <string.h>

static const char USAGE[] = "usage: paco tune step|eval [options]\n\n"
                            "Times every algorithm that could run each convolution and matrix "
                            "product of a model's training step or evaluation\n"
                            "on a device, and keeps the winners in a text file for this device, "
                            "driver and version in the cache folder\n"
                            "(~/.cache/openpaco, or XDG_CACHE_HOME). Later plans choose from it; "
                            "without it, built-in defaults of the device's\n"
                            "class are used. Deleting the file undoes the tuning.";

static Status run(int argc, char **argv, Options *options)
{
    TRY(options_parse(options, OPTION_BENCH, 1, argc - 1, argv + 1));
    if (options->help) {
        options_help(stdout, OPTION_BENCH, USAGE);
        return STATUS_OK;
    }
    const char *what = options->word_count ? options->words[0] : "step";
    if (strcmp(what, "step") != 0 && strcmp(what, "eval") != 0)
        return status_fail(STATUS_USAGE, "tune: '%s': expected step or eval", what);
    return tune_model(options, strcmp(what, "eval") == 0, stdout);
}

int verb_tune(int argc, char **argv)
{
    Options options = {0};
    Status status = run(argc, argv, &options);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    options_free(&options);
    return status;
}
