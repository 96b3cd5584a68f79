/* State dicts: the named tensors of a model within a checkpoint, wherever the file keeps them,
 * without the "module." of data-parallel training. */
#ifndef PACO_CHECKPOINT_STATE_H
#define PACO_CHECKPOINT_STATE_H

#include "base/arena.h"
#include "checkpoint/checkpoint.h"

#include <stdbool.h>

typedef struct StateTensor {
    const char *name; /* without "module.", however often it stood there */
    const CheckpointTensor *tensor;
} StateTensor;

typedef struct StateDict {
    Arena arena;
    Checkpoint *checkpoint;
    const char *where;      /* key of the dict, "" for the root */
    bool module;            /* names had "module." before them */
    StateTensor *tensors;   /* [count], in the file's order */
    int count;
    StateTensor **by_name;  /* [count], sorted */
} StateDict;

/* Finds the state dict: under "state_dict", "model", "model_state_dict", "net", or the root itself.
 * STATUS_INPUT when there is none (with the keys that there are), or when two names are the same
 * without "module.". Free it in any case that succeeded; the checkpoint stays the caller's. */
Status state_dict_open(Checkpoint *checkpoint, StateDict *dict);
/* The same for the dict at a key, which must be there; `where` must live as long as the dict. */
Status state_dict_open_at(Checkpoint *checkpoint, const char *where, StateDict *dict);
/* Takes the tensors whose names begin so out of the dict. */
void state_dict_drop(StateDict *dict, const char *beginning, size_t length);
/* A name without the "module." of data-parallel training before it. */
const char *state_dict_name(const char *name);
void state_dict_free(StateDict *dict);
const StateTensor *state_dict_find(const StateDict *dict, const char *name);

/* "[64, 3, 7, 7]" into text; returns text. */
char *shape_text(int rank, const int64_t *shape, char text[128]);

#endif
