/* Weights. The model's parameters and the running statistics of its query side are wanted, under
 * the file's names; what is found is read whole before anything is written to the session. */
#include "state/weights.h"

#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "checkpoint/finite.h"
#include "state/match.h"
#include "state/scaler.h"
#include "state/snapshot.h"
#include "state/store.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void describe_choice(Weights *w, bool best)
{
    if (best)
        snprintf(w->choice, sizeof w->choice, "the best, chosen by the %s",
                 select_title(snapshot_select(w->checkpoint)));
    else
        snprintf(w->choice, sizeof w->choice, "the newest; none was chosen as the best");
}

Status weights_open(const char *path, const char *key, bool require_crc, Weights *w)
{
    CheckpointOptions options = {.require_crc = require_crc};
    char *chosen = NULL;
    bool folder, best;
    *w = (Weights){0};
    TRY(store_choose(path, &chosen, &folder, &best));
    Status status = checkpoint_open(chosen, &options, &w->checkpoint);
    if (status == STATUS_OK && folder)
        describe_choice(w, best);
    free(chosen);
    TRY(status);
    status = network_open(w->checkpoint, key, &w->dict, &w->found);
    w->cosine = status == STATUS_OK && w->found.turned;
    if (status == STATUS_OK)
        return STATUS_OK;
    checkpoint_close(w->checkpoint);
    *w = (Weights){0};
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

ClassNames weights_class_names(const Weights *w, Arena *arena)
{
    const Object *classes = checkpoint_object(w->checkpoint, SNAPSHOT_CLASSES);
    ClassNames names = {.source = checkpoint_path(w->checkpoint)};
    if (!classes || classes->kind != OBJECT_LIST || (int64_t)classes->count != w->found.classes)
        return names;
    const char **list = arena_alloc(arena, classes->count * sizeof *list);
    for (uint32_t c = 0; c < classes->count; c++) {
        if (classes->items[c]->kind != OBJECT_TEXT)
            return names;
        list[c] = classes->items[c]->text;
    }
    names.list = list;
    names.count = (int)classes->count;
    return names;
}

/* ------------------------------------------------------------------------------------ matching */

typedef struct Loading {
    Weights *weights;
    const Graph *graph;
    TensorList wanted;
    Match match;
} Loading;

/* Counters of batches are read by nobody; nor is, in a checkpoint of PaCo, what the model has no
 * place for: queue, projection head, key side. */
static void match_model(Loading *l)
{
    const Recognised *found = &l->weights->found;
    network_add_tensors(&l->wanted, found, l->graph, true);
    for (int i = 0; i < l->wanted.count; i++)
        if (!l->wanted.items[i].value)
            l->wanted.items[i].need = TENSOR_IGNORED;
    if (found->paco)
        network_ignore_training(&l->wanted, found);
    match_tensors(&l->weights->dict, "", l->wanted.items, l->wanted.count, &l->match);
}

/* What --partial takes, a line per module: "loaded: layer1.0.bn1.weight, bias, running_mean". */
static void print_loaded(Loading *l)
{
    const char *line = NULL, *before = "";
    size_t length = 0;
    for (int i = 0; i < l->wanted.count; i++) {
        const char *name = l->wanted.items[i].name, *dot = strrchr(name, '.');
        size_t n = dot ? (size_t)(dot - name) + 1 : 0;
        bool same = n && n == length && strncmp(name, before, n) == 0;
        if (!l->match.found[i])
            continue;
        if (line && !same)
            log_info("loaded: %s", line);
        line = same ? arena_printf(&l->match.arena, "%s, %s", line, name + n) : name;
        before = name;
        length = n;
    }
    if (line)
        log_info("loaded: %s", line);
}

/* ------------------------------------------------------------------------------------ loading */

static Status read_all(Loading *l)
{
    NotFinite bad = {0};
    const char *path = checkpoint_path(l->weights->checkpoint);
    for (int i = 0; i < l->wanted.count; i++) {
        const CheckpointTensor *t = l->match.found[i];
        ModelTensor *to = &l->wanted.items[i];
        if (!t)
            continue;
        if (!(to->data = malloc(tensors_bytes(to) + 1)))
            return status_fail(STATUS_LIMIT, "%s: key '%s': no memory for %zu bytes", path, t->key,
                               tensors_bytes(to));
        TRY(checkpoint_read(l->weights->checkpoint, t, to->type, to->data));
        not_finite_look(&bad, t->key, to->data, t->tensor->count);
    }
    return not_finite_tell(&bad, path, l->weights->strict_finite);
}

/* Rows of a cosine classifier, [classes][features] from either orientation, become unit vectors. */
static void normalise_rows(ModelTensor *t, bool turned)
{
    int64_t classes = t->dims.d[turned], features = t->dims.d[!turned];
    float *from = t->data, *to = mem_alloc((size_t)(classes * features) * sizeof *to);
    for (int64_t c = 0; c < classes; c++) {
        double squares = 0;
        for (int64_t f = 0; f < features; f++) {
            float x = turned ? from[f * classes + c] : from[c * features + f];
            to[c * features + f] = x;
            squares += (double)x * x;
        }
        double norm = fmax(sqrt(squares), 1e-12);
        for (int64_t f = 0; f < features; f++)
            to[c * features + f] = (float)(to[c * features + f] / norm);
    }
    free(t->data);
    t->data = to;
}

/* The classifier as the graph wants it. */
static void turn_classifier(Loading *l)
{
    const Recognised *found = &l->weights->found;
    for (int i = 0; i < l->wanted.count && l->weights->cosine; i++) {
        ModelTensor *t = &l->wanted.items[i];
        if (t->data && t->value && strcmp(t->value->name, "linear.weight") == 0)
            normalise_rows(t, found->turned);
    }
}

/* The value, and its copy on the key side: a new run begins with both equal. */
static Status write_all(const Loading *l, Session *session)
{
    for (int i = 0; i < l->wanted.count; i++) {
        const ModelTensor *t = &l->wanted.items[i];
        if (!t->data)
            continue;
        TRY(session_write(session, t->value, t->data, DTYPE_F32));
        const Value *key = t->parameter ? graph_companion_of(l->graph, t->value, ROLE_EMA) : NULL;
        if (!t->parameter) {
            char name[256];
            snprintf(name, sizeof name, "encoder_k.%s", t->value->name + strlen("encoder_q."));
            key = graph_find(l->graph, name);
        }
        if (key)
            TRY(session_write(session, key, t->data, DTYPE_F32));
    }
    return STATUS_OK;
}

/* A run whose loss is scaled goes on with the file's scale, where it has one, and counts its own
 * skips. */
static Status take_scaler(const Weights *weights, Session *session, const Model *model)
{
    ScalerState scaler;
    bool found;
    if (!model->scaler)
        return STATUS_OK;
    TRY(scaler_read(weights->checkpoint, &scaler, &found));
    if (!found)
        return STATUS_OK;
    log_info("%s: loss scale %g, from its scaler", checkpoint_path(weights->checkpoint),
             scaler.scale);
    return scaler_put(session, model->scaler, &scaler);
}

/* The first tensor on the way from image to classes that the model lacks, or that the file has and
 * the model has no place for; NULL: none. */
static const char *foreign_in_path(const Loading *l)
{
    const StateDict *dict = &l->weights->dict;
    for (int i = 0; i < l->wanted.count; i++)
        if (l->wanted.items[i].need == TENSOR_NEEDED && !l->match.found[i])
            return l->wanted.items[i].name;
    for (int i = 0; i < dict->count; i++)
        if (recognise_in_path(&l->weights->found, dict->tensors[i].name) &&
            !tensors_find(l->wanted.items, l->wanted.count, dict->tensors[i].name))
            return dict->tensors[i].name;
    return NULL;
}

/* What evaluation may go without. */
static Status check_path(const Loading *l)
{
    char text[200];
    const char *name = foreign_in_path(l);
    if (!name)
        return STATUS_OK;
    return checkpoint_fail(l->weights->checkpoint, l->weights->dict.where,
                           "'%s' lies in the path of the network and does not fit %s: evaluated "
                           "without it, the figures would be those of another network",
                           utf8_clean(text, sizeof text, name), l->weights->found.arch->name);
}

static Status tell_matched(Loading *l, WeightsUse use)
{
    const Match *match = &l->match;
    if (use != WEIGHTS_ALL)
        print_loaded(l);
    match_print(match, INT_MAX);
    if (use == WEIGHTS_ALL)
        return match_status(match, l->weights->checkpoint);
    if (use == WEIGHTS_TEST)
        TRY(check_path(l));
    log_info(
        "--partial: %d tensors loaded, %d differences; what is missing keeps its initial value",
        match->matched, match->fault_count);
    return STATUS_OK;
}

Status weights_load(Weights *weights, Session *session, const Model *model, WeightsUse use)
{
    Loading l = {.weights = weights, .graph = model->graph};
    const Match *match = &l.match;
    match_model(&l);
    Status status = tell_matched(&l, use);
    if (status == STATUS_OK && match->matched == 0)
        status = status_fail(STATUS_INPUT, "%s: no tensor fits the model",
                             checkpoint_path(weights->checkpoint));
    if (status == STATUS_OK)
        status = read_all(&l);
    if (status == STATUS_OK)
        turn_classifier(&l);
    if (status == STATUS_OK)
        status = write_all(&l, session);
    if (status == STATUS_OK)
        status = take_scaler(weights, session, model);
    for (int i = 0; i < l.wanted.count; i++)
        free(l.wanted.items[i].data);
    tensors_free(&l.wanted);
    match_free(&l.match);
    return status;
}
