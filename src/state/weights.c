/* Weights. The model's names are those of PaCo; a plain network lacks their prefix, and its
 * classifier is called as the checkpoint says. */
#include "state/weights.h"

#include "base/file.h"
#include "base/log.h"
#include "checkpoint/finite.h"
#include "state/store.h"

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

Status weights_open(const char *path, bool require_crc, Weights *w)
{
    CheckpointOptions options = {.require_crc = require_crc};
    char *chosen = NULL;
    *w = (Weights){0};
    if (is_folder(path))
        TRY(find_in_folder(path, &chosen));
    Status status = checkpoint_open(chosen ? chosen : path, &options, &w->checkpoint);
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

/* ------------------------------------------------------------------------------------ matching */

typedef struct Pair {
    const Value *value;
    const StateTensor *from;
    float *data;
} Pair;

typedef struct Matching {
    Weights *weights;
    const Graph *graph;
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
        m->pairs[m->count++] = (Pair){value, t, NULL};
}

static bool is_wanted(const Value *v)
{
    bool query = strncmp(v->name, "encoder_k.", 10) != 0;
    return v->role == ROLE_PARAM || (v->role == ROLE_STATE && v->kind != PARAM_NONE && query);
}

static bool in_model(const Matching *m, const char *name)
{
    const Value *v = graph_find(m->graph, name);
    return v && is_wanted(v);
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

/* The counter that PyTorch keeps in each batch norm. */
static bool is_counter(const Matching *m, const char *name)
{
    char mean[300];
    size_t n = strlen(name), tail = strlen("num_batches_tracked");
    if (n <= tail || strcmp(name + n - tail, "num_batches_tracked") != 0)
        return false;
    snprintf(mean, sizeof mean, "%s%.*srunning_mean", *m->weights->found.prefix ? "" : "encoder_q.",
             (int)(n - tail), name);
    return in_model(m, mean);
}

/* What stands in the published checkpoints beyond what this model takes: counters; with PaCo's
 * names also the queue, the projection head and the key side. A name like them is none of them. */
static bool dispensable(const Matching *m, const char *name)
{
    static const char *const beside[] = {"queue",           "queue_l",       "queue_ptr",
                                         "linear_k.weight", "linear_k.bias", NULL};
    static const char *const head[] = {"encoder_q.fc.weight",
                                       "encoder_q.fc.bias",
                                       "encoder_q.fc.0.weight",
                                       "encoder_q.fc.0.bias",
                                       "encoder_q.fc.1.weight",
                                       "encoder_q.fc.1.bias",
                                       "encoder_q.fc.1.running_mean",
                                       "encoder_q.fc.1.running_var",
                                       "encoder_q.fc.1.num_batches_tracked",
                                       "encoder_q.fc.2.weight",
                                       "encoder_q.fc.2.bias", /* without batch normalisation */
                                       "encoder_q.fc.3.weight",
                                       "encoder_q.fc.3.bias",
                                       NULL};
    if (is_counter(m, name))
        return true;
    if (!*m->weights->found.prefix)
        return false;
    if (strncmp(name, "encoder_k.", 10) != 0)
        return is_one_of(name, beside) || is_one_of(name, head);
    char query[300];
    snprintf(query, sizeof query, "encoder_q.%s", name + 10);
    return in_model(m, query) || is_counter(m, query) || is_one_of(query, head);
}

static void match_all(Matching *m)
{
    const StateDict *dict = &m->weights->dict;
    const Graph *graph = m->graph;
    m->pairs = mem_zero((size_t)graph->values_count, sizeof *m->pairs);
    m->used = mem_zero((size_t)dict->count, sizeof *m->used);
    for (int i = 0; i < graph->values_count; i++)
        if (is_wanted(graph->values[i]))
            match_value(m, graph->values[i]);
    for (int i = 0; i < dict->count; i++)
        if (!m->used[i] && !dispensable(m, dict->tensors[i].name))
            state_match_add(&m->match, "unexpected: %s", dict->tensors[i].name);
}

/* What --partial takes, a line per module: "loaded: layer1.0.bn1.weight, bias, running_mean". */
static void print_loaded(Matching *m)
{
    const char *line = NULL, *before = "";
    size_t length = 0;
    for (int i = 0; i < m->count; i++) {
        const char *name = m->pairs[i].from->name, *dot = strrchr(name, '.');
        size_t n = dot ? (size_t)(dot - name) + 1 : 0;
        bool same = n && n == length && strncmp(name, before, n) == 0;
        if (line && !same)
            log_info("loaded: %s", line);
        line = same ? arena_printf(&m->match.arena, "%s, %s", line, name + n) : name;
        before = name;
        length = n;
    }
    if (line)
        log_info("loaded: %s", line);
}

/* ------------------------------------------------------------------------------------ loading */

static Status read_all(Matching *m)
{
    NotFinite bad = {0};
    for (int i = 0; i < m->count; i++) {
        Pair *p = &m->pairs[i];
        const CheckpointTensor *t = p->from->tensor;
        size_t bytes = checkpoint_tensor_bytes(t, ELEMENT_FLOAT32);
        if (!(p->data = malloc(bytes + 1)))
            return status_fail(STATUS_LIMIT, "%s: key '%s': no memory for %zu bytes",
                               checkpoint_path(m->weights->checkpoint), t->key, bytes);
        TRY(checkpoint_read(m->weights->checkpoint, t, ELEMENT_FLOAT32, p->data));
        not_finite_look(&bad, t->key, p->data, t->tensor->count);
    }
    return not_finite_tell(&bad, checkpoint_path(m->weights->checkpoint),
                           m->weights->strict_finite);
}

/* The value, and its copy on the key side: a new run begins with both equal. */
static Status write_all(const Matching *m, Session *session)
{
    const Graph *graph = m->graph;
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
    Matching m = {.weights = weights, .graph = model->graph};
    Status status = STATUS_OK;
    match_all(&m);
    if (partial)
        print_loaded(&m);
    if (m.match.fault_count > 0)
        state_match_print(&m.match);
    if (m.match.fault_count > 0 && !partial)
        status = state_match_status(&m.match, weights->checkpoint);
    else if (partial)
        log_info(
            "--partial: %d tensors loaded, %d differences; what is missing keeps its initial value",
            m.count, m.match.fault_count);
    if (status == STATUS_OK && m.count == 0)
        status = status_fail(STATUS_INPUT, "%s: no tensor fits the model",
                             checkpoint_path(weights->checkpoint));
    if (status == STATUS_OK)
        status = read_all(&m);
    if (status == STATUS_OK)
        status = write_all(&m, session);
    for (int i = 0; i < m.count; i++)
        free(m.pairs[i].data);
    free(m.pairs);
    free(m.used);
    state_match_free(&m.match);
    return status;
}
