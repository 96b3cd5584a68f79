/* paco predict: what a checkpoint's network sees in images. */
#include "train/predict.h"
#include "train/stop.h"
#include "verbs.h"

#include <limits.h>

const char usage_predict[] =
    "usage: paco predict --checkpoint FILE [--class-names FILE] [options] PATH...\n\n"
    "The five most probable classes of images without labels: of files, and of all images in and "
    "below folders.\n"
    "Checkpoints are those that `paco eval` takes, and images are prepared as there: as in the run "
    "that wrote the\n"
    "checkpoint, else 224 pixels (CIFAR networks 32). Classes have the names of --class-names, "
    "else those of the\n"
    "checkpoint, else numbers. --csv prints CSV, --out FILE.csv writes it to a file.";

static Status predict(int argc, char **argv, Options *options)
{
    TRY(options_parse(options, OPTION_PREDICT, INT_MAX, argc - 1, argv + 1));
    stop_listen();
    return predict_images(options, stdout);
}

int verb_predict(int argc, char **argv)
{
    return run_with_options(predict, argc, argv);
}
