/* The published groups of classes by their number of training images. */
#ifndef PACO_DATA_SHOTS_H
#define PACO_DATA_SHOTS_H

#include <stdint.h>

typedef enum Shot { SHOT_MANY, SHOT_MEDIUM, SHOT_FEW, SHOT_COUNT } Shot;

enum { SHOT_MANY_ABOVE = 100, SHOT_FEW_BELOW = 20 };

/* The group of a class with so many training images. */
static inline Shot shot_of(int64_t images)
{
    return images > SHOT_MANY_ABOVE ? SHOT_MANY : images < SHOT_FEW_BELOW ? SHOT_FEW : SHOT_MEDIUM;
}

#endif
