/* Records: which run of elements each tensor of a pickle that is being written refers to. Tensors
 * that show the same elements share one. Numbers are given in the order of first use. */
#ifndef PACO_CHECKPOINT_OBJECTS_RECORDS_H
#define PACO_CHECKPOINT_OBJECTS_RECORDS_H

#include "checkpoint/objects/object.h"

typedef struct Records {
    const StoredTensor **tensors; /* [count], one for each record: no two with the same elements */
    uint32_t count, room;
    uint32_t *slots; /* [slot_room], a hash table of numbers of records, 1 and up */
    uint32_t slot_room;
} Records;

/* The record of a tensor, or one more than the last where its elements are in none yet: then add it
 * next. Makes room for it. */
uint32_t records_find(Records *records, const StoredTensor *tensor);
void records_add(Records *records, const StoredTensor *tensor);
void records_free(Records *records);

#endif
