/* paco bench: speeds of training steps, evaluation and image views. */
#include "base/log.h"
#include "data/image_bench.h"
#include "train/bench.h"
#include "verbs.h"

#include <string.h>

static const char USAGE[] =
    "usage: paco bench step|eval [options]        one training step, or one batch of evaluation\n"
    "       paco bench op NAME SIZES...           one operator (conv, bn, linear, paco) with its gradients\n"
    "       paco bench image MODE FOLDER          decode, view, pair, views or eval, one thread\n\n"
    "Prints one line of JSON: the median over --repeats, images/s, GFLOP/s, peak memory.";

static Status image_bench(int argc, char **argv)
{
    if (argc != 4)
        return status_fail(STATUS_USAGE, "bench image: needs a mode and a folder. `paco bench --help` explains");
    return image_bench_run(argv[2], argv[3], 3, stdout);
}

static Status model_bench(int argc, char **argv, Options *options)
{
    bool evaluation = false;
    TRY(parse_step_or_eval(argc, argv, USAGE, options, &evaluation));
    return options->help ? STATUS_OK : bench_model(options, evaluation, stdout);
}

/* `bench op NAME SIZES... [--options]`: the words up to the first option are the operator's. */
static Status op_bench(int argc, char **argv, Options *options)
{
    int words = 2;
    while (words < argc && argv[words][0] != '-')
        words++;
    TRY(options_parse(options, OPTION_BENCH, 0, argc - words, argv + words));
    return bench_op(options, words - 2, argv + 2, stdout);
}

int verb_bench(int argc, char **argv)
{
    Options options = {0};
    bool image = argc > 1 && strcmp(argv[1], "image") == 0;
    bool op = argc > 1 && strcmp(argv[1], "op") == 0;
    Status status = image ? image_bench(argc, argv) : op ? op_bench(argc, argv, &options)
                                                    : model_bench(argc, argv, &options);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    options_free(&options);
    return status;
}
