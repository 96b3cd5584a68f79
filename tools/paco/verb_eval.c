/* paco eval: accuracy of a checkpoint on a data set. */
#include "base/log.h"
#include "train/eval.h"
#include "verbs.h"

const char usage_eval[] =
    "usage: paco eval --checkpoint FILE --list FILE --data FOLDER [--train-list FILE] [options]\n\n"
    "Evaluates a checkpoint of this program, of the published code, or of a plain ResNet "
    "(torchvision's names; CIFAR\n"
    "ResNets). Architecture and classes are found in the file; every tensor must match (--partial "
    "takes what fits).\n"
    "--train-list gives the class sizes behind many, medium and few. --out FOLDER gets "
    "report.json, classes.csv,\n"
    "confusion.csv and predictions.csv (of every image the five best classes with their names and "
    "probabilities).\n"
    "Images are sized and normalised as in the run that wrote the checkpoint; of other programs' "
    "checkpoints that is\n"
    "not known: 224 pixels (CIFAR networks 32), mean and deviation of the preset, else those "
    "published for the data\n"
    "set: CIFAR's, iNaturalist's for lists with its 8142 classes, else ImageNet's.";

/* Process 0 speaks for all. */
static Status evaluate_together(Status status, Options *options)
{
    Comm *comm = NULL;
    status = meet_processes(status, options->peer_timeout, &comm);
    log_silence(!comm_speaks(comm));
    if (status == STATUS_OK)
        status = eval_checkpoint(options, comm, stdout);
    if (status != STATUS_OK) /* before the others leave, and with them the job */
        log_error("%s", status_text());
    leave_processes(comm, status);
    return status;
}

int verb_eval(int argc, char **argv)
{
    Options options = {0};
    log_silence(!comm_speaks(NULL));
    Status status = options_parse(&options, OPTION_EVAL, 0, argc - 1, argv + 1);
    if (status == STATUS_OK && wants_processes(&options))
        status = launch_processes(&options, argc, argv);
    else
        status = evaluate_together(status, &options);
    options_free(&options);
    return status;
}
