/* paco eval: accuracy of a checkpoint on a data set. */
#include "train/eval.h"
#include "verbs.h"

static const char USAGE[] =
    "usage: paco eval --checkpoint FILE --list FILE --data FOLDER [--train-list FILE] [options]\n\n"
    "Evaluates a checkpoint of this program, of the published code, or of a plain ResNet "
    "(torchvision's names; CIFAR\n"
    "ResNets). Architecture and classes are found in the file; every tensor must match (--partial "
    "takes what fits).\n"
    "--train-list gives the class sizes behind many, medium and few. --out FOLDER gets "
    "report.json, classes.csv,\n"
    "confusion.csv and predictions.csv. Images are sized and normalised as in the run that wrote "
    "the checkpoint; of\n"
    "other programs' checkpoints that is not known: 224 pixels (CIFAR networks 32), mean and "
    "deviation of the\n"
    "preset, else those published for the data set: CIFAR's, iNaturalist's for lists with its 8142 "
    "classes, else ImageNet's.";

static Status run(int argc, char **argv, Options *options)
{
    TRY(options_parse(options, OPTION_EVAL, 0, argc - 1, argv + 1));
    if (options->help) {
        options_help(stdout, OPTION_EVAL, USAGE);
        return STATUS_OK;
    }
    return eval_checkpoint(options, stdout);
}

int verb_eval(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
