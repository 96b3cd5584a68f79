/* demo: two runs that differ in the method only. */
#include "train/demo.h"

#include "base/arena.h"
#include "base/log.h"
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

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
        status = train(&options, NULL, NULL, result);
    }
    options_free(&options);
    free(args);
    return status;
}

static void print_row(const char *name, const TrainResult *r, FILE *out)
{
    fprintf(out, "%-16s %8.2f %10.2f %10.2f %10.2f %9.0f s\n", name, 100 * r->last.top1,
           100 * r->last.many, 100 * r->last.medium, 100 * r->last.few, r->seconds);
}

Status demo_run(int argc, char **argv, FILE *out)
{
    static const char *const methods[] = {"cross_entropy", "paco"};
    TrainResult results[2];
    for (int i = 0; i < 2; i++)
        TRY(train_one(methods[i], argc, argv, &results[i]));
    fprintf(out,
            "\nTest accuracy in %% (balanced test set; many: classes with more than 100 training "
            "images, few: fewer than 20)\n\n"
            "%-16s %8s %10s %10s %10s %11s\n",
            "method", "top-1", "many", "medium", "few", "time");
    print_row("cross-entropy", &results[0], out);
    print_row("PaCo", &results[1], out);
    return STATUS_OK;
}
