/* Classes in the order of the long tail. */
#ifndef PACO_IMAGE_CLASS_ORDER_H
#define PACO_IMAGE_CLASS_ORDER_H

#include <stdint.h>

/* The numbers of classes by their images, sizes[classes] (NULL: all alike), the largest first and
 * of equal ones the lower number; malloc'd. */
int *class_order(int classes, const int64_t *sizes);

#endif
