/* How large published data sets are (sets.def). */
#ifndef PACO_DATA_SETS_H
#define PACO_DATA_SETS_H

#include <stdint.h>

/* SPLIT(name, word): what a list is for; WORD.txt is what is made of it, --WORD-list what takes it.
 */
#define SPLIT_LIST(X) X(TRAIN, "train") X(VAL, "val") X(TEST, "test")

typedef enum Split {
#define X(name, word) SPLIT_##name,
    SPLIT_LIST(X)
#undef X
        SPLIT_COUNT
} Split;

typedef enum SetId {
#define SET(name, title, classes, train, val, test) SET_##name,
#include "data/sets.def"
    SET_COUNT
} SetId;

typedef struct SetSize {
    const char *title;
    int classes;
    int64_t images[SPLIT_COUNT]; /* of each list; 0: there is none */
} SetSize;

extern const SetSize set_sizes[SET_COUNT];

#endif
