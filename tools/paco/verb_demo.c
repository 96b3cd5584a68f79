/* paco demo: PaCo and its cross-entropy baseline, trained the same way on procedural long-tailed
 * images. */
#include "base/log.h"
#include "train/trainer.h"
#include "verbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "usage: paco demo [--device D] [--epochs N]\n\n"
    "Trains ResNet-20 twice on the data set `synthetic` (procedural images of 10 classes, 500 "
    "images of the largest and\n"
    "5 of the smallest, made in memory): once with PaCo, once with cross-entropy, with the same "
    "views, batches and\n"
    "learning rates; then compares their accuracies on a balanced test set.\n";

static Status train_one(const char *method, int argc, char **argv, TrainResult *result)
{
    const char *const first[] = {"--preset", "synthetic", "--method", method, "--eval-every", "4"};
    enum { FIRST = sizeof first / sizeof *first };
    const char **args = mem_alloc((size_t)(FIRST + argc) * sizeof *args);
    Options options = {0};
    memcpy(args, first, sizeof first);
    for (int i = 0; i < argc; i++)
        args[FIRST + i] = argv[i];
    Status status = options_parse(&options, OPTION_TRAIN, 0, FIRST + argc, (char **)args);
    if (status == STATUS_OK && options.out)
        status = status_fail(
            STATUS_USAGE,
            "demo: --out: two runs cannot share a folder. `paco train --preset synthetic "
            "--out FOLDER` keeps one");
    if (status == STATUS_OK) {
        log_info("--- %s", method);
        status = train(&options, result);
    }
    options_free(&options);
    free(args);
    return status;
}

static void print_row(const char *name, const TrainResult *r)
{
    printf("%-16s %8.2f %10.2f %10.2f %10.2f %9.0f s\n", name, 100 * r->last.top1,
           100 * r->last.many, 100 * r->last.medium, 100 * r->last.few, r->seconds);
}

int verb_demo(int argc, char **argv)
{
    static const char *const methods[] = {"cross_entropy", "paco"};
    TrainResult results[2];
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(HELP, stdout);
            return STATUS_OK;
        }
    for (int i = 0; i < 2; i++) {
        Status status = train_one(methods[i], argc - 1, argv + 1, &results[i]);
        if (status != STATUS_OK) {
            log_error("%s", status_text());
            return status;
        }
    }
    printf("\nTest accuracy in %% (balanced test set; many: classes with more than 100 training "
           "images, few: fewer than 20)\n\n"
           "%-16s %8s %10s %10s %10s %11s\n",
           "method", "top-1", "many", "medium", "few", "time");
    print_row("cross-entropy", &results[0]);
    print_row("PaCo", &results[1]);
    printf("\nNext: `paco presets` lists the published recipes, `paco train --help` what can be "
           "changed, `paco devices` what "
           "this ran on.\n");
    return STATUS_OK;
}
