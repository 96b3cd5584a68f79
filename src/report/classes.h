/* Classes in the order of the long tail. */
#ifndef PACO_REPORT_CLASSES_H
#define PACO_REPORT_CLASSES_H

#include "report/run_record.h"

/* The numbers of all classes, [class_count], malloc'd: most training images first, equal ones by
 * number; by number alone where sizes are not known. */
int *classes_by_size(const RunRecord *run);
/* Whether the training images of every class are known. */
bool classes_have_sizes(const RunRecord *run);
/* A class's top-1 accuracy; NaN without test images. */
double class_accuracy(const ClassRecord *record);
/* The classes with test images, the least accurate first, of equal ones the larger; malloc'd. */
int *classes_by_accuracy(const RunRecord *run, int *count);

#endif
