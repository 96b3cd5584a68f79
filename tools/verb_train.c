/* paco train: one run. */
#include "base/log.h"
#include "train/trainer.h"
#include "verbs.h"

#include <math.h>

static void print_result(const TrainResult *r)
{
    printf("trained in %.0f s", r->seconds);
    if (!isnan(r->last.top1))
        printf(": top-1 %.2f %%, many %.2f %%, medium %.2f %%, few %.2f %% (best top-1 %.2f %%)", 100 * r->last.top1,
               100 * r->last.many, 100 * r->last.medium, 100 * r->last.few, 100 * r->best);
    putchar('\n');
}

int verb_train(int argc, char **argv)
{
    Options options;
    TrainResult result;
    options_init(&options);
    Status status = options_parse(&options, OPTION_TRAIN, 0, argc - 1, argv + 1);
    if (status == STATUS_OK && options.help) {
        options_help(stdout, OPTION_TRAIN, "usage: paco train [--preset NAME] [options]");
        options_free(&options);
        return 0;
    }
    if (status == STATUS_OK)
        status = train(&options, &result);
    if (status == STATUS_OK)
        print_result(&result);
    else
        log_error("%s", status_text());
    options_free(&options);
    return status;
}
