/* Weights. The model's names are those of PaCo; a plain network lacks their prefix, and its
 * classifier is called as the checkpoint says. */
#include "train/weights.h"

#include "base/file.h"
#include "base/log.h"
#include "checkpoint/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The checkpoint of a run's folder, malloc'd. */
static Status find_in_folder(const char *folder, char **path)
{
    *path = NULL;
    Status status = store_best(folder, path);
    if (status == STATUS_OK && !*path)
        status = store_last(folder, path);
    if (status == STATUS_OK && !*path)
        status = status_fail(STATUS_IO, "%s: there is no checkpoint in this folder", folder);
    return status;
}

Status weights_open(const char *path, Weights *w)
{
    char *chosen = NULL;
    *w = (Weights){0};
    if (is_folder(path))
        TRY(find_in_folder(path, &chosen));
    Status status = checkpoint_open(chosen ? chosen : path, NULL, &w->checkpoint);
    free(chosen);
    TRY(status);
    status = state_dict_open(w->checkpoint, &w->dict);
    if (status != STATUS_OK) {
        checkpoint_close(w->checkpoint);
        *w = (Weights){0};
        return status;
    }
    status = detect_architecture(&w->dict, &w->found);
    if (status != STATUS_OK)
        weights_close(w);
    return status;
}

void weights_close(Weights *w)
{
    if (w->checkpoint) {
        state_dict_free(&w->dict);
        checkpoint_close(w->checkpoint);
    }
    *w = (Weights){0};
}

/* ------------------------------------------------------------------------------------ names */

/* What the file calls a tensor of the model; "" where it can have none (the head of a plain
 * network). */
static void name_in_file(const Weights *w, const char *name, char *to, size_t room)
{
    const Detected *d = &w->found;
    if (strncmp(name, "linear.", 7) == 0)
        snprintf(to, room, "%s%s", d->classifier, d->classifier[0] ? name + 6 : "");
    else if (strncmp(name, "encoder_q.fc.", 13) == 0 && !d->prefix[0])
        to[0] = 0;
    else
        snprintf(to, room, "%s%s", d->prefix, name + strlen("encoder_q."));
}

/* Parts of a training checkpoint that a model may do without, and counters. */
static bool dispensable(const char *name)
{
    static const char *const parts[] = {"encoder_k.", "linear_k.", "queue", "encoder_q.fc."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strncmp(name, parts[i], strlen(parts[i])) == 0)
            return true;
    size_t n = strlen(name), tail = strlen("num_batches_tracked");
    return n > tail && strcmp(name + n - tail, "num_batches_tracked") == 0;
}

/* ------------------------------------------------------------------------------------ matching */

typedef struct Pair {
    const Value *value;
    const CheckpointTensor *tensor;
    float *data;
} Pair;

typedef struct Matching {
    Weights *weights;
    StateMatch match;
    Pair *pairs;
    int count;
    bool *used; /* by number of the file's tensor */
} Matching;

static bool same_shape(const StoredTensor *t, Dims dims)
{
    bool same = t->rank == dims.rank;
    for (int i = 0; same && i < t->rank; i++)
        same = t->shape[i] == dims.d[i];
    return same;
}

static void match_value(Matching *m, const Value *value)
{
    char name[300], want[128], have[128];
    name_in_file(m->weights, value->name, name, sizeof name);
    const StateTensor *t = name[0] ? state_dict_find(&m->weights->dict, name) : NULL;
    shape_text(value->dims.rank, value->dims.d, want);
    if (!t) {
        state_match_add(&m->match, "missing: %s %s", name[0] ? name : value->name, want);
        return;
    }
    m->used[t - m->weights->dict.tensors] = true;
    if (!t->tensor->tensor || !element_converts(t->tensor->tensor->type, ELEMENT_FLOAT32))
        state_match_add(&m->match, "unsuitable: %s cannot be read as float32", name);
    else if (!same_shape(t->tensor->tensor, value->dims))
        state_match_add(&m->match, "shape: %s %s vs %s in the model", name,
                        shape_text(t->tensor->tensor->rank, t->tensor->tensor->shape, have), want);
    else
        m->pairs[m->count++] = (Pair){value, t->tensor, NULL};
}

static bool is_wanted(const Value *v)
{
    bool query = strncmp(v->name, "encoder_k.", 10) != 0;
    return v->role == ROLE_PARAM || (v->role == ROLE_STATE && v->kind != PARAM_NONE && query);
}

static void match_all(Matching *m, const Graph *graph)
{
    const StateDict *dict = &m->weights->dict;
    m->pairs = mem_zero((size_t)graph->values_count, sizeof *m->pairs);
    m->used = mem_zero((size_t)dict->count, sizeof *m->used);
    for (int i = 0; i < graph->values_count; i++)
        if (is_wanted(graph->values[i]))
            match_value(m, graph->values[i]);
    for (int i = 0; i < dict->count; i++)
        if (!m->used[i] && !dispensable(dict->tensors[i].name))
            state_match_add(&m->match, "unexpected: %s", dict->tensors[i].name);
}

/* ------------------------------------------------------------------------------------ loading */

static Status read_all(Matching *m)
{
    for (int i = 0; i < m->count; i++) {
        Pair *p = &m->pairs[i];
        p->data = mem_alloc(checkpoint_tensor_bytes(p->tensor, ELEMENT_FLOAT32));
        TRY(checkpoint_read(m->weights->checkpoint, p->tensor, ELEMENT_FLOAT32, p->data));
    }
    return STATUS_OK;
}

/* The value, and its copy on the key side: a new run begins with both equal. */
static Status write_all(const Matching *m, Session *session, const Graph *graph)
{
    for (int i = 0; i < m->count; i++) {
        const Pair *p = &m->pairs[i];
        TRY(session_write(session, p->value, p->data, DTYPE_F32));
        const Value *key =
            p->value->role == ROLE_PARAM ? graph_companion_of(graph, p->value, ROLE_EMA) : NULL;
        if (p->value->role == ROLE_STATE) {
            char name[256];
            snprintf(name, sizeof name, "encoder_k.%s", p->value->name + strlen("encoder_q."));
            key = graph_find(graph, name);
        }
        if (key)
            TRY(session_write(session, key, p->data, DTYPE_F32));
    }
    return STATUS_OK;
}

Status weights_load(Weights *weights, Session *session, const Model *model, bool partial)
{
    Matching m = {.weights = weights};
    match_all(&m, model->graph);
    Status status = STATUS_OK;
    if (m.match.fault_count > 0)
        state_match_print(&m.match);
    if (m.match.fault_count > 0 && !partial)
        status = state_match_status(&m.match, weights->checkpoint);
    else if (m.match.fault_count > 0)
        log_info("--partial: %d tensors loaded, the %d above not", m.count, m.match.fault_count);
    if (status == STATUS_OK && m.count == 0)
        status = status_fail(STATUS_INPUT, "%s: no tensor fits the model",
                             checkpoint_path(weights->checkpoint));
    if (status == STATUS_OK)
        status = read_all(&m);
    if (status == STATUS_OK)
        status = write_all(&m, session, model->graph);
    for (int i = 0; i < m.count; i++)
        free(m.pairs[i].data);
    free(m.pairs);
    free(m.used);
    state_match_free(&m.match);
    return status;
}
