/* paco tune: finds the fastest algorithm for every convolution and matrix product of a model. */
#include "measure/tune.h"
#include "verbs.h"

const char usage_tune[] =
    "usage: paco tune step|eval [options]\n\n"
    "Times every algorithm that could run each convolution and matrix "
    "product of a model's training step or evaluation\n"
    "on a device, and keeps the winners in a text file for this device, "
    "driver, version and kind of kernels in the\n"
    "cache folder (~/.cache/openpaco, or XDG_CACHE_HOME). Later plans choose "
    "from it; without it, built-in\n"
    "defaults of the device's class are used. Deleting the file undoes the tuning.";

static Status run(int argc, char **argv, Options *options)
{
    bool evaluation = false;
    TRY(parse_step_or_eval(argc, argv, options, &evaluation));
    return tune_model(options, evaluation, stdout);
}

int verb_tune(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
