/* fp16's loss scale as a checkpoint has it: the dict that torch.amp.GradScaler.state_dict() makes,
 * at the top level of the file under "scaler". */
#ifndef PACO_STATE_SCALER_H
#define PACO_STATE_SCALER_H

#include "checkpoint/checkpoint.h"
#include "plan/session.h"

#define SCALER_KEY "scaler"

/* The device counts in floats: whole numbers below this one. */
enum { SCALER_COUNT_MOST = 1 << 24 };

typedef struct ScalerState {
    double scale;   /* factor of the loss, a float */
    int64_t growth; /* steps since it last changed */
    int64_t skips;  /* steps that changed no weight, so far; no part of PyTorch's dict */
} ScalerState;

/* The dict, for the writer. */
Object *scaler_tree(Arena *arena, const ScalerState *state);
/* Reads it; *found: there is one that is not empty, as PyTorch writes for a scaler that is off. The
 * rule by which the scale changes is this program's (SCALER_RULE): another one in the file is a
 * warning. `skips` becomes 0. STATUS_INPUT where a number is missing or can be no scale. */
Status scaler_read(Checkpoint *checkpoint, ScalerState *state, bool *found);

/* Between the state and the value of a session, which lies between two steps: nothing is found. */
Status scaler_take(Session *session, const Value *scaler, ScalerState *state);
Status scaler_put(Session *session, const Value *scaler, const ScalerState *state);

#endif
