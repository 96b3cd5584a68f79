/* Private to src/data: what each kind of data set does when it is opened. dataset.c calls these
 * with a zeroed Dataset whose kind and source are set; they fill count, the labels and either names
 * or pixels (and class names where known). On failure dataset_close cleans up what was made. */
#ifndef PACO_DATA_KINDS_H
#define PACO_DATA_KINDS_H

#include "data/dataset.h"

Status list_open(const DatasetSpec *spec, Dataset *dataset);
Status folder_open(const DatasetSpec *spec, Dataset *dataset);
Status cifar_open(const DatasetSpec *spec, Dataset *dataset);
Status synthetic_open(const DatasetSpec *spec, Dataset *dataset);

#endif
