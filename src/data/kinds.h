/* Private to src/data: what each kind of data set does when it is opened. dataset.c calls these
 * with a zeroed Dataset whose kind, source and, where its kind has a fixed number, classes are set;
 * they fill count, the labels and either names or pixels (and class names where known). On failure
 * dataset_close cleans up what was made. */
#ifndef PACO_DATA_KINDS_H
#define PACO_DATA_KINDS_H

#include "data/dataset.h"

#define KIND(name, word, source, classes, tail, pixels)                                            \
    Status word##_open(const DatasetSpec *spec, Dataset *dataset);
#include "data/kinds.def"

/* The annotations of dataset_coco, the files and folders of dataset_find: they fill in the same. */
Status coco_open(const char *path, Dataset *dataset);
Status found_open(const char *const *paths, int count, Dataset *dataset);

/* DATASET_CLASSES_name: the column as a constant, for arrays. */
enum {
#define KIND(name, word, source, classes, tail, pixels) DATASET_CLASSES_##name = (classes),
#include "data/kinds.def"
};

#endif
