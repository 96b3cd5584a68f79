/* paco bench: speeds of training steps, evaluation, image views and checkpoints. */
#include "measure/bench.h"
#include "measure/checkpoint_bench.h"
#include "measure/exchange_bench.h"
#include "measure/image_bench.h"
#include "verbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char usage_bench[] =
    "usage: paco bench step|eval [options]        one training step, or one batch of evaluation\n"
    "       paco bench op NAME SIZES...           one operator (conv, bn, pool, linear, paco, sgd, "
    "ema)\n"
    "       paco bench image MODE FOLDER          decode, view, pair, views or eval, one thread\n"
    "       paco bench checkpoint MODE FILE       write, read or crc: a training checkpoint, "
    "once\n"
    "       mpirun ... paco bench exchange MIB [RANKS]   the sum of so much of gradients over "
    "processes\n\n"
    "Prints one line of JSON: the median over --repeats, images/s, GFLOP/s, their share of the "
    "device's measured peak,\n"
    "peak memory; of an operator also GB/s, and the share is that of what limits it. "
    "Multiplications are counted as in\n"
    "direct convolution; Winograd's form does fewer, so that shares may pass 100 %.";

static Status image_bench(int argc, char **argv)
{
    if (argc != 4)
        return status_fail(STATUS_USAGE,
                           "bench image: needs a mode and a folder. `paco bench --help` explains");
    return image_bench_run(argv[2], argv[3], 3, stdout);
}

static Status checkpoint_bench(int argc, char **argv)
{
    if (argc != 4 && argc != 5)
        return status_fail(
            STATUS_USAGE,
            "bench checkpoint: needs a mode and a file. `paco bench --help` explains");
    return checkpoint_bench_run(argv[2], argv[3], argc == 5 ? argv[4] : "resnet50", stdout);
}

static Status exchange_bench(int argc, char **argv)
{
    char *end[2] = {"", ""};
    double mib = argc > 2 ? strtod(argv[2], &end[0]) : 0;
    double ranks = argc > 3 ? strtod(argv[3], &end[1]) : 0;
    if (argc < 3 || argc > 4 || *end[0] || *end[1] || !(mib > 0 && mib <= 1 << 14) ||
        !(ranks >= 0 && ranks <= 4096 && ranks == floor(ranks)))
        return status_fail(
            STATUS_USAGE,
            "bench exchange: needs MiB above 0, at most %d, and may be told how many "
            "ranks. `paco bench --help` explains",
            1 << 14);
    return exchange_bench_run(mib, (int)ranks, version_text(), stdout);
}

static Status model_bench(int argc, char **argv, Options *options)
{
    bool evaluation = false;
    TRY(parse_step_or_eval(argc, argv, options, &evaluation));
    return bench_model(options, evaluation, stdout);
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

static Status run(int argc, char **argv, Options *options)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "image") == 0)
        return image_bench(argc, argv);
    if (strcmp(what, "checkpoint") == 0)
        return checkpoint_bench(argc, argv);
    if (strcmp(what, "exchange") == 0)
        return exchange_bench(argc, argv);
    if (strcmp(what, "op") == 0)
        return op_bench(argc, argv, options);
    return model_bench(argc, argv, options);
}

int verb_bench(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
