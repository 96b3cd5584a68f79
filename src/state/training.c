/* Training checkpoints: the published trees, made and taken apart. */
#define _DEFAULT_SOURCE /* madvise */
#include "state/training.h"

#include "checkpoint/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct Kind {
    const char *text, *accuracy;
    int rank;
    bool linear_k;
} Kind;

static const Kind kinds[] = {
#define X(name, text, key, rank, linear_k) {text, key, rank, linear_k},
    TRAINING_KINDS(X)
#undef X
};

/* ---- writing */

static Object *make_state_dict(Arena *arena, const TrainingState *s)
{
    Object *dict = object_dict(arena, true);
    for (int i = 0; i < s->count; i++) {
        const ModelTensor *t = &s->tensors[i];
        object_add(arena, dict, arena_printf(arena, "module.%s", t->name),
                   object_tensor(arena, t->type, t->dims.rank, t->dims.d, t->data));
    }
    return dict;
}

static Object *make_group(Arena *arena, const TrainingState *s, int parameters)
{
    Object *group = object_dict(arena, false), *indices = object_list(arena);
    for (int i = 0; i < parameters; i++)
        object_append(arena, indices, object_int(arena, i));
    object_set(arena, group, "lr", object_float(arena, s->lr));
    object_set(arena, group, "momentum", object_float(arena, s->momentum));
    object_set(arena, group, "dampening", object_int(arena, 0));
    object_set(arena, group, "weight_decay", object_float(arena, s->weight_decay));
    object_set(arena, group, "nesterov", object_bool(arena, s->nesterov));
    object_set(arena, group, "maximize", object_bool(arena, false));
    object_set(arena, group, "foreach", object_none(arena));
    object_set(arena, group, "differentiable", object_bool(arena, false));
    object_set(arena, group, "params", indices);
    return group;
}

static Object *make_optimizer(Arena *arena, const TrainingState *s)
{
    Object *optimizer = object_dict(arena, false), *state = object_dict(arena, false);
    Object *groups = object_list(arena);
    int parameters = 0;
    for (int i = 0; i < s->count; i++) {
        const ModelTensor *t = &s->tensors[i];
        if (t->parameter && t->momentum) {
            Object *entry = object_dict(arena, false);
            object_set(arena, entry, "momentum_buffer",
                       object_tensor(arena, ELEMENT_FLOAT32, t->dims.rank, t->dims.d, t->momentum));
            object_set_int(arena, state, parameters, entry);
        }
        parameters += t->parameter;
    }
    object_append(arena, groups, make_group(arena, s, parameters));
    object_set(arena, optimizer, "state", state);
    object_set(arena, optimizer, "param_groups", groups);
    return optimizer;
}

static Object *make_extra(Arena *arena, const Object *extra)
{
    Object *dict = object_dict(arena, false);
    object_set(arena, dict, "version", object_int(arena, TRAINING_VERSION));
    for (uint32_t i = 0; extra && i < extra->count; i++)
        if (!object_is(extra->items[2 * i], "version"))
            object_set(arena, dict, extra->items[2 * i]->text, extra->items[2 * i + 1]);
    return dict;
}

Object *training_tree(Arena *arena, const TrainingState *s)
{
    const Kind *kind = &kinds[s->kind];
    static const int64_t one = 1;
    Object *root = object_dict(arena, false), *accuracy = NULL;
    if (*kind->accuracy) {
        float *value = arena_alloc(arena, sizeof *value);
        *value = (float)s->accuracy;
        accuracy = object_tensor(arena, ELEMENT_FLOAT32, kind->rank, &one, value);
    }
    object_set(arena, root, "epoch", object_int(arena, s->epoch));
    if (accuracy && s->kind == TRAINING_FULL)
        object_set(arena, root, kind->accuracy, accuracy);
    object_set(arena, root, "arch", object_text(arena, s->arch));
    if (accuracy && s->kind != TRAINING_FULL)
        object_set(arena, root, kind->accuracy, accuracy);
    object_set(arena, root, "state_dict", make_state_dict(arena, s));
    object_set(arena, root, "optimizer", make_optimizer(arena, s));
    if (s->scaled)
        object_set(arena, root, SCALER_KEY, scaler_tree(arena, &s->scaler));
    object_set(arena, root, "openpaco", make_extra(arena, s->extra));
    return root;
}

Status training_write(Sink *sink, const TrainingState *state)
{
    Arena arena = {0};
    Status status = torch_write(sink, training_tree(&arena, state), NULL);
    arena_free(&arena);
    return status;
}

Status training_save(const char *path, const TrainingState *state, const FileOps *ops)
{
    Arena arena = {0};
    Status status = checkpoint_save(path, CHECKPOINT_ZIP, training_tree(&arena, state), NULL, ops);
    arena_free(&arena);
    return status;
}

/* ---- reading */

static void copy_tensors(TrainingLoad *load, const TrainingState *expected)
{
    load->state.count = expected->count;
    load->state.tensors = arena_copy(&load->arena, expected->tensors,
                                     (size_t)expected->count * sizeof *expected->tensors);
    for (int i = 0; i < expected->count; i++)
        load->state.tensors[i].data = load->state.tensors[i].momentum = NULL;
}

static void match_arch(TrainingLoad *load, const char *expected)
{
    const char *arch = load->state.arch;
    if (!arch || (expected && strcmp(arch, expected) != 0))
        match_add(&load->match, "arch: is '%.60s', needs %s", arch ? arch : "missing",
                        expected ? expected : "a name");
}

static int count_parameters(const TrainingState *s)
{
    int n = 0;
    for (int i = 0; i < s->count; i++)
        n += s->tensors[i].parameter;
    return n;
}

/* params must be 0, 1, ..., n-1: one group over all parameters in module order. */
static void match_indices(TrainingLoad *load, int parameters)
{
    const Object *groups = checkpoint_object(load->checkpoint, "optimizer/param_groups");
    const Object *params = checkpoint_object(load->checkpoint, "optimizer/param_groups/0/params");
    if (!groups || groups->kind != OBJECT_LIST || groups->count != 1 || !params ||
        params->kind != OBJECT_LIST) {
        match_add(&load->match, "optimizer: no single group of parameters");
        return;
    }
    if ((int64_t)params->count != parameters)
        match_add(&load->match, "optimizer: covers %u parameters, needs %d", params->count,
                        parameters);
    for (uint32_t i = 0; i < params->count; i++)
        if (params->items[i]->kind != OBJECT_INT || params->items[i]->integer != (int64_t)i) {
            match_add(&load->match, "optimizer: params are not 0 to %u in order",
                            params->count - 1);
            return;
        }
}

/* The momentum buffer of parameter `index`, or NULL; a fault when it does not fit. */
static const CheckpointTensor *match_momentum(TrainingLoad *load, const ModelTensor *t, int index)
{
    char key[96], label[400];
    snprintf(key, sizeof key, "optimizer/state/%d/momentum_buffer", index);
    const CheckpointTensor *found = checkpoint_find(load->checkpoint, key);
    snprintf(label, sizeof label, "momentum of %s (%s)", t->name, key);
    return found && match_one(&load->match, label, t, found) ? found : NULL;
}

static void match_states(TrainingLoad *load, const CheckpointTensor **momenta, int parameters)
{
    const Object *state = checkpoint_object(load->checkpoint, "optimizer/state");
    int index = 0;
    if (!state || state->kind != OBJECT_DICT) {
        match_add(&load->match, "missing: optimizer/state");
        return;
    }
    for (uint32_t i = 0; i < state->count; i++) {
        const Object *key = state->items[2 * i];
        if (key->kind != OBJECT_INT || key->integer < 0 || key->integer >= parameters)
            match_add(&load->match,
                            "unexpected: optimizer/state/%lld (there are %d parameters)",
                            key->kind == OBJECT_INT ? (long long)key->integer : -1, parameters);
    }
    for (int i = 0; i < load->state.count; i++)
        if (load->state.tensors[i].parameter)
            momenta[i] = match_momentum(load, &load->state.tensors[i], index++);
}

enum { SLAB_ALIGN = 64, HUGE_PAGE = 2 << 20 };

/* Room for one tensor in the slab, whose length so far is *used. */
static void *place_tensor(uint8_t *slab, size_t *used, const CheckpointTensor *from,
                          ElementType type)
{
    void *place = slab ? slab + *used : NULL;
    size_t bytes = from ? checkpoint_tensor_bytes(from, type) : element_bytes(type);
    *used += (bytes + SLAB_ALIGN - 1) / SLAB_ALIGN * SLAB_ALIGN;
    return place;
}

/* Places all tensors; with a slab of NULL that only counts the bytes. An absent counter of batches
 * has room for its one element. */
static size_t place_tensors(TrainingLoad *load, const CheckpointTensor **momenta, uint8_t *slab)
{
    size_t used = 0;
    for (int i = 0; i < load->state.count; i++) {
        ModelTensor *t = &load->state.tensors[i];
        t->data = place_tensor(slab, &used, load->match.found[i], t->type);
        if (momenta[i])
            t->momentum = place_tensor(slab, &used, momenta[i], ELEMENT_FLOAT32);
    }
    return used;
}

/* One piece of memory for everything, in large pages where the system has them: fresh small pages
 * would cost more time than the reading. */
static Status make_slab(TrainingLoad *load, const CheckpointTensor **momenta)
{
    size_t bytes = place_tensors(load, momenta, NULL) + SLAB_ALIGN;
    size_t align = bytes < HUGE_PAGE ? SLAB_ALIGN : HUGE_PAGE;
    bytes = (bytes + align - 1) / align * align;
    load->slab = aligned_alloc(align, bytes);
    if (!load->slab)
        return status_fail(STATUS_LIMIT, "%s: no memory for its tensors (%zu bytes)",
                           checkpoint_path(load->checkpoint), bytes);
#ifdef MADV_HUGEPAGE
    if (align == HUGE_PAGE)
        madvise(load->slab, bytes, MADV_HUGEPAGE);
#endif
    place_tensors(load, momenta, load->slab);
    return STATUS_OK;
}

/* Reads a tensor, and counts what is not finite while it is in the cache. */
static Status read_tensor(Checkpoint *c, const CheckpointTensor *from, ElementType type, void *out,
                          NotFinite *bad)
{
    TRY(checkpoint_read(c, from, type, out));
    if (type == ELEMENT_FLOAT32)
        not_finite_look(bad, from->key, out, from->tensor->count);
    return STATUS_OK;
}

static Status read_tensors(TrainingLoad *load, const CheckpointTensor **momenta)
{
    Checkpoint *c = load->checkpoint;
    NotFinite *bad = &load->not_finite;
    TRY(make_slab(load, momenta));
    for (int i = 0; i < load->state.count; i++) {
        const ModelTensor *t = &load->state.tensors[i];
        if (load->match.found[i])
            TRY(read_tensor(c, load->match.found[i], t->type, t->data, bad));
        else
            memset(t->data, 0, element_bytes(t->type));
        if (momenta[i])
            TRY(read_tensor(c, momenta[i], ELEMENT_FLOAT32, t->momentum, bad));
    }
    return STATUS_OK;
}

/* A queue position or label out of range would become a write or read out of bounds on a device. */
static Status check_queue(const TrainingLoad *load)
{
    const TrainingState *s = &load->state;
    const ModelTensor *labels = tensors_find(s->tensors, s->count, "queue_l");
    const ModelTensor *at = tensors_find(s->tensors, s->count, "queue_ptr");
    const ModelTensor *linear = tensors_find(s->tensors, s->count, "linear.weight");
    if (!labels || !at || !linear)
        return STATUS_OK;
    int64_t head = *(const int64_t *)at->data, length = labels->dims.d[0];
    if (head < 0 || head >= length)
        return checkpoint_fail(load->checkpoint, "state_dict/module.queue_ptr",
                               "queue position out of range "
                               "(%lld vs 0 to %lld)",
                               (long long)head, (long long)length - 1);
    for (int64_t i = 0; i < length; i++) {
        int64_t label = ((const int64_t *)labels->data)[i];
        if (label < 0 || label >= linear->dims.d[0])
            return checkpoint_fail(load->checkpoint, "state_dict/module.queue_l",
                                   "label %lld at position "
                                   "%lld (there are %lld classes)",
                                   (long long)label, (long long)i, (long long)linear->dims.d[0]);
    }
    return STATUS_OK;
}

static Status finite_number(TrainingLoad *load, const char *key, double *value)
{
    TRY(checkpoint_number(load->checkpoint, key, value));
    if (!isfinite(*value))
        return checkpoint_fail(load->checkpoint, key, "is %g (expected a finite number)", *value);
    return STATUS_OK;
}

static Status read_scalars(TrainingLoad *load)
{
    Checkpoint *c = load->checkpoint;
    TrainingState *s = &load->state;
    const Kind *kind = &kinds[s->kind];
    TRY(checkpoint_integer(c, "epoch", &s->epoch));
    if (*kind->accuracy)
        TRY(checkpoint_number(c, kind->accuracy, &s->accuracy));
    if (!(s->accuracy >= 0 && s->accuracy <= 100)) /* NaN would never be exceeded by a better one */
        s->accuracy = 0;
    TRY(finite_number(load, "optimizer/param_groups/0/lr", &s->lr));
    TRY(finite_number(load, "optimizer/param_groups/0/momentum", &s->momentum));
    TRY(finite_number(load, "optimizer/param_groups/0/weight_decay", &s->weight_decay));
    const Object *nesterov = checkpoint_object(c, "optimizer/param_groups/0/nesterov");
    s->nesterov = nesterov && nesterov->kind == OBJECT_BOOL && nesterov->flag;
    return STATUS_OK;
}

static Status read_extra(TrainingLoad *load)
{
    int64_t version = 0;
    load->state.extra = checkpoint_object(load->checkpoint, "openpaco");
    if (!load->state.extra)
        return STATUS_OK;
    TRY(checkpoint_integer(load->checkpoint, "openpaco/version", &version));
    if (version < 1 || version > TRAINING_VERSION)
        return checkpoint_fail(load->checkpoint, "openpaco/version",
                               "written by a newer program (%lld vs at "
                               "most %d)",
                               (long long)version, TRAINING_VERSION);
    return STATUS_OK;
}

static Status load_matched(TrainingLoad *load, const TrainingState *expected,
                           const CheckpointTensor **momenta)
{
    StateDict dict;
    TRY(read_extra(load));
    TRY(state_dict_open(load->checkpoint, &dict));
    match_tensors(&dict, "", load->state.tensors, load->state.count, &load->match);
    state_dict_free(&dict);
    load->state.arch = checkpoint_text(load->checkpoint, "arch");
    match_arch(load, expected->arch);
    match_indices(load, count_parameters(&load->state));
    match_states(load, momenta, count_parameters(&load->state));
    TRY(match_status(&load->match, load->checkpoint));
    TRY(read_scalars(load));
    if (expected->scaled)
        TRY(scaler_read(load->checkpoint, &load->state.scaler, &load->state.scaled));
    TRY(read_tensors(load, momenta));
    return check_queue(load);
}

Status training_load(const char *path, const TrainingState *expected,
                     const CheckpointOptions *options, TrainingLoad *load)
{
    *load = (TrainingLoad){.state = {.kind = expected->kind, .arch = expected->arch}};
    TRY(checkpoint_open(path, options, &load->checkpoint));
    copy_tensors(load, expected);
    const CheckpointTensor **momenta = mem_zero((size_t)expected->count, sizeof *momenta);
    Status status = load_matched(load, expected, momenta);
    free(momenta);
    return status;
}

void training_load_free(TrainingLoad *load)
{
    free(load->slab);
    match_free(&load->match);
    arena_free(&load->arena);
    checkpoint_close(load->checkpoint);
    *load = (TrainingLoad){0};
}

/* ---- the extra dict */

static const Object *extra_value(const TrainingState *state, const char *key)
{
    return object_get(state->extra, key);
}

int64_t training_extra_int(const TrainingState *state, const char *key, int64_t otherwise)
{
    const Object *value = extra_value(state, key);
    return value && value->kind == OBJECT_INT ? value->integer : otherwise;
}

double training_extra_float(const TrainingState *state, const char *key, double otherwise)
{
    const Object *value = extra_value(state, key);
    return value && value->kind == OBJECT_FLOAT ? value->number
         : value && value->kind == OBJECT_INT ? (double)value->integer : otherwise;
}

const char *training_extra_text(const TrainingState *state, const char *key, const char *otherwise)
{
    const Object *value = extra_value(state, key);
    return value && value->kind == OBJECT_TEXT ? value->text : otherwise;
}
