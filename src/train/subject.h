/* Subject: the network of a checkpoint, opened to look at images as the run that wrote it did: what
 * `paco eval` and `paco predict` have in common. */
#ifndef PACO_TRAIN_SUBJECT_H
#define PACO_TRAIN_SUBJECT_H

#include "comm/comm.h"
#include "state/weights.h"
#include "train/evaluator.h"

/* Begins with options and comm (NULL: one process) set, all else zero. */
typedef struct Subject {
    Options *options; /* completed by what the checkpoint says */
    Comm *comm;
    Weights weights;
    RecipeOptions views;
    Run run;
} Subject;

/* Opens the checkpoint options->init_from, which must have a classifier; takes the size of images,
 * their normalisation and class sizes from the run that wrote it, unless the options say otherwise.
 * STATUS_USAGE, naming `verb`, where no checkpoint is given. */
Status subject_read(Subject *subject, const char *verb);
/* The network on its device, for batches of options->batch images; `features`: whose features can
 * be read, too. After subject_read. */
Status subject_open(Subject *subject, bool features);
/* How to evaluate it on images, as the options say. */
Evaluation subject_evaluation(Subject *subject, const Dataset *data);
/* Evaluates; where an image ends that, says what goes on without it. */
Status subject_evaluate(const Evaluation *evaluation, Metrics *metrics, EvaluationResult *result);
/* "resnet20, 10 classes in bf16, on DEVICE" into text. Returns text. */
const char *subject_text(const Subject *subject, char text[256]);
void subject_close(Subject *subject);

#endif
