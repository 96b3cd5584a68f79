/* paco demo: PaCo and its cross-entropy baseline, trained the same way on procedural long-tailed
 * images. */
#include "base/log.h"
#include "train/demo.h"
#include "verbs.h"

#include <stdio.h>

const char usage_demo[] =
    "usage: paco demo [--device D] [--epochs N]\n\n"
    "Trains ResNet-20 twice on the data set `synthetic` (procedural images of 10 classes, 500 "
    "images of the largest and\n"
    "5 of the smallest, made in memory): once with PaCo, once with cross-entropy, with the same "
    "views, batches and\n"
    "learning rates; then compares their accuracies on a balanced test set.";

int verb_demo(int argc, char **argv)
{
    Status status = demo_run(argc - 1, argv + 1, stdout);
    const char *program = argv[-1]; /* as the user calls it: it may not be installed yet */
    if (status != STATUS_OK)
        log_error("%s", status_text());
    else
        printf("\nNext: `%s presets` lists the published recipes, `%s help train` what can be "
               "changed, `%s devices`\nwhat this ran on.\n",
               program, program, program);
    return status;
}
