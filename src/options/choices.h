/* Choices whose meaning lies in rooms above the options: each list is the one place of its words,
 * of the enum and of what --help shows. X(name, word of the option). */
#ifndef PACO_OPTIONS_CHOICES_H
#define PACO_OPTIONS_CHOICES_H

/* Parameters that keep their initial values: none; all convolutions but those of the last block. */
#define FREEZE_LIST(X) X(NONE, "none") X(CONVS_BUT_LAST_BLOCK, "convs_but_last_block")

typedef enum Freeze {
#define X(name, word) FREEZE_##name,
    FREEZE_LIST(X)
#undef X
} Freeze;

/* Order of an epoch: every image once; each class as often as any other. */
#define SAMPLING_LIST(X) X(UNIFORM, "uniform") X(BALANCED, "balanced")

typedef enum Sampling {
#define X(name, word) SAMPLING_##name,
    SAMPLING_LIST(X)
#undef X
} Sampling;

/* Course of the learning rate (train/schedule.h): warm-up, then half a cosine to zero; warm-up,
 * then constant, x 0.1 after 80 %, x 0.01 after 90 %. */
#define SCHEDULE_LIST(X) X(COSINE, "cosine") X(CIFAR, "cifar")

typedef enum ScheduleKind {
#define X(name, word) SCHEDULE_##name,
    SCHEDULE_LIST(X)
#undef X
} ScheduleKind;

/* What a checkpoint's classifier is: as its shapes say; a linear layer; the same of normalised
 * features and weights. */
#define CLASSIFIER_LIST(X) X(AUTO, "auto") X(LINEAR, "linear") X(COSINE, "cosine")

typedef enum Classifier {
#define X(name, word) CLASSIFIER_##name,
    CLASSIFIER_LIST(X)
#undef X
} Classifier;

/* What a prediction is made of: the image; the mean of the probabilities of it and of its mirror
 * image. */
#define TTA_LIST(X) X(NONE, "none") X(FLIP, "flip")

typedef enum Tta {
#define X(name, word) TTA_##name,
    TTA_LIST(X)
#undef X
} Tta;

/* What chooses the best checkpoint of a run: VAL where there are validation images, else LAST;
 * nothing, the last counts; the highest top-1 of the validation images, of the test images. */
#define SELECT_LIST(X) X(AUTO, "auto") X(LAST, "last") X(VAL, "val") X(TEST, "test")

typedef enum Select {
#define X(name, word) SELECT_##name,
    SELECT_LIST(X)
#undef X
} Select;

/* How processes sum gradients: in the tree over ranks, or as their engine does. */
#define REDUCE_LIST(X) X(EXACT, "exact") X(FAST, "fast")

typedef enum Reduce {
#define X(name, word) REDUCE_##name,
    REDUCE_LIST(X)
#undef X
} Reduce;

#endif
