/* State dicts: the named tensors of a model within a checkpoint, wherever the file keeps them,
 * without the "module." of data-parallel training; and their comparison with what a model needs,
 * which lists every difference and never passes one over. */
#ifndef PACO_CHECKPOINT_STATE_H
#define PACO_CHECKPOINT_STATE_H

#include "base/arena.h"
#include "checkpoint/checkpoint.h"

#include <stdbool.h>

enum { STATE_RANK = 8 };

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
void state_dict_free(StateDict *dict);
const StateTensor *state_dict_find(const StateDict *dict, const char *name);

/* A tensor that a model needs. */
typedef struct WantedTensor {
    const char *name;         /* within the prefix, "conv1.weight" */
    ElementType type;         /* what it will be read as */
    int rank;
    int64_t shape[STATE_RANK];
    bool optional;            /* may be absent (num_batches_tracked before PyTorch 0.4.1) */
} WantedTensor;

typedef struct StateMatch {
    Arena arena;
    const CheckpointTensor **found; /* [count of wanted]; NULL: absent or unsuitable */
    char **faults; /* [fault_count], one line each: "missing: conv1.weight [64, 3, 7, 7]" */
    int fault_count, matched;
} StateMatch;

/* Compares the tensors whose names begin with `prefix` ("" for all) with the wanted ones. */
void state_match(const StateDict *dict, const char *prefix, const WantedTensor *wanted, int count,
                 StateMatch *match);
/* Adds a line to the faults, cleaned as utf8_clean does: names come from the file. */
void state_match_add(StateMatch *match, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* STATUS_OK when there are no faults; else STATUS_INPUT with their number and the first ones. */
Status state_match_status(const StateMatch *match, const Checkpoint *checkpoint);
/* Every fault as a line for the user. */
void state_match_print(const StateMatch *match);
void state_match_free(StateMatch *match);

/* "[64, 3, 7, 7]" into text; returns text. */
char *shape_text(int rank, const int64_t *shape, char text[128]);

#endif
