/* Matching: a model's tensors against a state dict. Every difference is a line, in words that
 * resume, evaluation, --init-from and inspect share, and none is passed over:
 *   missing: NAME [shape]                   the file lacks it
 *   wrong shape: NAME is [...], needs [...]
 *   unsuitable: NAME is WHAT, ...           a kind or type that cannot be read as the needed one
 *   unexpected: NAME [shape]                the model has no place for it */
#ifndef PACO_STATE_MATCH_H
#define PACO_STATE_MATCH_H

#include "checkpoint/state.h"
#include "state/tensors.h"

typedef struct Match {
    Arena arena;
    const CheckpointTensor **found; /* [count of wanted]; NULL: absent, unsuitable or ignored */
    int due;     /* tensors that the file should have: the needed ones, the optional ones it has */
    int matched; /* those found */
    char **faults; /* [fault_count], a line each */
    int fault_count;
} Match;

/* Compares the tensors whose names begin with `prefix` ("" for all) with the wanted ones, whose
 * names are whole. Faults of wanted ones stand first, in their order, then what is unexpected, in
 * the file's. */
void match_tensors(const StateDict *dict, const char *prefix, const ModelTensor *wanted, int count,
                   Match *match);
/* Whether a tensor of the file is the wanted one; a fault when not, which calls it `label`. */
bool match_one(Match *match, const char *label, const ModelTensor *wanted,
               const CheckpointTensor *found);
/* Adds a line to the faults, cleaned as utf8_clean does: names come from the file. */
void match_add(Match *match, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* STATUS_OK when there are no faults; else STATUS_INPUT with their number and the first ones. */
Status match_status(const Match *match, const Checkpoint *checkpoint);
/* The first `most` faults as lines for the user, and how many more there are. */
void match_print(const Match *match, int most);
void match_free(Match *match);

#endif
