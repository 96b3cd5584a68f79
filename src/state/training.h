/* Training checkpoints in the three published structures, which the published code and this program
 * both read:
 *   long-tailed    {epoch, arch, acc, state_dict, optimizer}, with linear_k
 *   full ImageNet  {epoch, best_acc, arch, state_dict, optimizer}, without linear_k
 *   CIFAR          {epoch, arch, state_dict, optimizer}, with linear_k
 * Names in state_dict begin with "module."; `optimizer` is that of torch.optim.SGD over all
 * parameters in module order (encoder_q, encoder_k, linear, linear_k), where the key side has no
 * state. A run in fp16 has its loss scale beside them (state/scaler.h). What only this program
 * needs rides along in a dict under "openpaco". */
#ifndef PACO_STATE_TRAINING_H
#define PACO_STATE_TRAINING_H

#include "checkpoint/finite.h"
#include "checkpoint/bytes/sink.h"
#include "state/match.h"
#include "state/scaler.h"

/* KIND(name, text, key of the accuracy or "", dimensions of that tensor, has linear_k) */
#define TRAINING_KINDS(X)                           \
    X(LT, "long-tailed", "acc", 0, true)            \
    X(FULL, "full ImageNet", "best_acc", 1, false)  \
    X(CIFAR, "CIFAR", "", 0, true)

typedef enum TrainingKind {
#define X(name, text, key, rank, linear_k) TRAINING_##name,
    TRAINING_KINDS(X)
#undef X
} TrainingKind;

/* Format of the "openpaco" dict. A file with a newer one is refused. */
enum { TRAINING_VERSION = 1 };

typedef struct TrainingState {
    TrainingKind kind;
    const char *arch;
    int64_t epoch;     /* epochs done */
    double accuracy;   /* percent; written where the kind has a key for it; 0 where a file has
                          nonsense */
    double lr, momentum, weight_decay;
    bool nesterov;
    bool scaled;       /* expected: the loss is scaled; written or loaded: `scaler` is there */
    ScalerState scaler;
    ModelTensor *tensors; /* [count], module order: queue, queue_l, queue_ptr, encoder_q, ... */
    int count;
    const Object *extra; /* dict for "openpaco": step, seed, sampler position, ...; NULL: none.
                            "version" is added by the writer */
} TrainingState;

/* The checkpoint's tree, for the writer; it points to the state's tensors. */
Object *training_tree(Arena *arena, const TrainingState *state);
/* Writes to a sink (see store.h). */
Status training_write(Sink *sink, const TrainingState *state);
/* Writes one file, whole or not at all. */
Status training_save(const char *path, const TrainingState *state, const FileOps *ops);

/* A loaded training checkpoint: owns everything that `state` points to. */
typedef struct TrainingLoad {
    TrainingState state; /* tensors as expected, with data, and momentum where the file has it */
    Checkpoint *checkpoint;
    Arena arena;
    uint8_t *slab;       /* the elements of all tensors and momenta */
    NotFinite not_finite; /* among the elements; its key lives as long as the load */
    Match match;          /* every difference; filled on failure too */
} TrainingLoad;

/* Reads a checkpoint against what is expected: kind, arch (NULL: any) and the tensors' names, types
 * and shapes; the expected data pointers are not looked at. All or nothing: every missing,
 * unexpected, misshapen or unsuitable key is listed in load->match, and then STATUS_INPUT. Also
 * checked: queue_ptr and the labels of queue_l lie in range, the learning rate is finite, the
 * optimizer covers just these parameters. Elements that are not finite are loaded and counted: the
 * caller says so (not_finite_tell). A scaler is read where one is expected; a file may be without.
 * `options` may be NULL. Call training_load_free in any case. */
Status training_load(const char *path, const TrainingState *expected,
                     const CheckpointOptions *options, TrainingLoad *load);
void training_load_free(TrainingLoad *load);

/* A number of the extra dict: `otherwise` when absent or no number. */
int64_t training_extra_int(const TrainingState *state, const char *key, int64_t otherwise);
double training_extra_float(const TrainingState *state, const char *key, double otherwise);
const char *training_extra_text(const TrainingState *state, const char *key, const char *otherwise);

#endif
