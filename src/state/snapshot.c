/* Snapshot. state_dict's order is that of PyTorch's modules: the queue's buffers, encoder_q,
 * encoder_k, linear, linear_k; a batch norm's running statistics stand behind its bias. */
#include "state/snapshot.h"

#include "base/log.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "checkpoint/finite.h"
#include "state/store.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Snapshot {
    Arena extra;           /* of the latest progress taken */
    Options *options;
    const Value *scaler;   /* NULL: none */
    const ModelConfig *config;
    const Dataset *data;
    TensorList list;
    TrainingState state;   /* its tensors are the list's */
    char run[SHA256_TEXT]; /* identity */
    Arena kept;            /* of: */
    const char *changes;   /* "": none */
};

/* ------------------------------------------------------------------------------------ description
 */

/* The model's tensors in the order of PyTorch's modules. */
static void list_tensors(TensorList *list, const Model *model, bool linear_k)
{
    tensors_add_value(list, model->queue, false);
    tensors_add_value(list, model->queue_labels, false);
    if (model->queue)
        tensors_add(list, "queue_ptr", ELEMENT_INT64, DIMS1(1));
    tensors_add_side(list, model->graph, "encoder_q.", false);
    tensors_add_side(list, model->graph, "encoder_q.", true);
    tensors_add_side(list, model->graph, "linear.", false);
    if (linear_k)
        tensors_add_side(list, model->graph, "linear.", true);
}

static void allocate(TensorList *list)
{
    for (int i = 0; i < list->count; i++) {
        ModelTensor *t = &list->items[i];
        t->data = mem_zero(1, tensors_bytes(t));
        if (t->velocity)
            t->momentum = mem_zero(1, tensors_bytes(t));
    }
}

/* What tells training data apart wherever their files lie. */
static const char *name_data(const Dataset *d, Arena *arena)
{
    return arena_printf(arena, "%lld images, %d classes, checksum %016llx", (long long)d->count,
                        d->classes, (unsigned long long)d->checksum);
}

static void name_run(Snapshot *s)
{
    Arena arena = {0};
    const char *options = options_identity(s->options, &arena), *data = name_data(s->data, &arena);
    uint8_t digest[SHA256_BYTES];
    Sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, options, strlen(options));
    sha256_add(&sha, data, strlen(data));
    sha256_end(&sha, digest);
    sha256_text(digest, s->run);
    arena_free(&arena);
}

Snapshot *snapshot_new(const Model *model, const ModelConfig *config, Options *options,
                       const Dataset *data)
{
    Snapshot *s = mem_zero(1, sizeof *s);
    s->options = options;
    s->changes = "";
    s->scaler = model->scaler;
    s->state.scaled = model->scaler != NULL;
    s->config = config;
    s->data = data;
    bool cifar = arch_family(config->arch)->small;
    s->state.kind = cifar ? TRAINING_CIFAR : config->prior ? TRAINING_LT : TRAINING_FULL;
    s->state.arch = config->arch->name;
    s->state.momentum = config->sgd.momentum;
    s->state.weight_decay = config->sgd.weight_decay;
    list_tensors(&s->list, model, s->state.kind != TRAINING_FULL);
    allocate(&s->list);
    s->state.tensors = s->list.items;
    s->state.count = s->list.count;
    name_run(s);
    return s;
}

void snapshot_free(Snapshot *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->state.count; i++) {
        free(s->state.tensors[i].data);
        free(s->state.tensors[i].momentum);
    }
    tensors_free(&s->list);
    arena_free(&s->extra);
    arena_free(&s->kept);
    free(s);
}

/* ------------------------------------------------------------------------------------ saving */

static Status take_tensor(Session *session, const ModelTensor *t)
{
    int64_t n = dims_count(t->dims);
    if (t->velocity)
        TRY(session_read(session, t->velocity, t->momentum, DTYPE_F32));
    if (t->type == ELEMENT_FLOAT32)
        return session_read(session, t->value, t->data, DTYPE_F32);
    int32_t *small = mem_alloc((size_t)n * sizeof *small);
    Status status = session_read(session, t->value, small, DTYPE_I32);
    for (int64_t i = 0; i < n; i++)
        ((int64_t *)t->data)[i] = small[i];
    free(small);
    return status;
}

/* The key within the extra dict. */
static const char *below_dict(const char *key)
{
    return strchr(key, '/') + 1;
}

/* A pickle's texts are UTF-8; names of folders may be anything. */
static bool names_are_text(const Dataset *d)
{
    bool text = d->class_names != NULL;
    for (int c = 0; c < d->classes && text; c++)
        text = utf8_valid(d->class_names[c], strlen(d->class_names[c]));
    return text;
}

static Object *name_classes(const Dataset *d, Arena *arena)
{
    Object *list = object_list(arena);
    for (int c = 0; c < d->classes; c++)
        object_append(arena, list, object_text(arena, d->class_names[c]));
    return list;
}

/* Figures that are not known are left out. */
static void describe_selection(Arena *a, Object *extra, const Selection *chosen)
{
    if (chosen->select == SELECT_AUTO)
        return;
    object_set(a, extra, "select", object_text(a, select_word(chosen->select)));
    object_set(a, extra, "select_data",
               object_text(a, arena_printf(a, "%016llx", (unsigned long long)chosen->data)));
    object_set(a, extra, "chosen_epoch", object_int(a, chosen->epoch));
#define X(field, tag)                                                                              \
    if (chosen->epoch && !isnan(chosen->field))                                                    \
        object_set(a, extra, "chosen_" #field, object_float(a, chosen->field));
    TEST_FIGURES(X)
    VAL_FIGURES(X)
#undef X
}

static Object *describe_progress(Snapshot *s, const Session *session, const Progress *p, bool best)
{
    Arena *a = &s->extra;
    arena_free(a);
    char arithmetic[SESSION_ARITHMETIC];
    session_arithmetic(session, arithmetic);
    Object *extra = object_dict(a, false);
    object_set(a, extra, "step", object_int(a, p->done));
    object_set(a, extra, "epoch", object_int(a, p->epoch));
    object_set(a, extra, "epoch_step", object_int(a, p->step));
    object_set(a, extra, "best", object_float(a, p->best));
    describe_selection(a, extra, &p->selection);
    object_set(a, extra, "loss_sum", object_float(a, p->loss_sum));
    object_set(a, extra, "correct", object_int(a, p->correct));
    object_set(a, extra, "correct_prior", object_int(a, p->correct_prior));
    object_set(a, extra, "seen", object_int(a, p->seen));
    object_set(a, extra, "skipped", object_int(a, p->skipped));
    object_set(a, extra, "skipped_before", object_int(a, p->skipped_before));
    if (s->scaler)
        object_set(a, extra, "overflows", object_int(a, p->overflows));
    if (s->scaler || p->lost) /* an epoch that fp16 began */
        object_set(a, extra, "lost", object_int(a, p->lost));
    object_set(a, extra, "data", object_text(a, name_data(s->data, a)));
    object_set(a, extra, "options", object_text(a, options_dump(s->options, a)));
    object_set(a, extra, "arithmetic", object_text(a, arena_printf(a, "%s", arithmetic)));
    object_set(a, extra, below_dict(STORE_SAYS_RUN), object_text(a, s->run));
    object_set(a, extra, below_dict(STORE_SAYS_BEST), object_bool(a, best));
    if (names_are_text(s->data))
        object_set(a, extra, below_dict(SNAPSHOT_CLASSES), name_classes(s->data, a));
    return extra;
}

Status snapshot_take(Snapshot *s, Session *session, const Progress *p, double lr, bool best,
                     const TrainingState **state)
{
    for (int i = 0; i < s->state.count; i++) {
        ModelTensor *t = &s->list.items[i];
        if (t->value)
            TRY(take_tensor(session, t));
        else
            *(int64_t *)t->data = strcmp(t->name, "queue_ptr") == 0 ? p->queue_head : p->done;
    }
    if (s->scaler)
        TRY(scaler_take(session, s->scaler, &s->state.scaler));
    s->state.epoch = p->epoch;
    s->state.accuracy = 100 * p->best;
    s->state.lr = lr;
    s->state.extra = describe_progress(s, session, p, best);
    *state = &s->state;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ restoring */

static Status restore_tensor(Session *session, const ModelTensor *t)
{
    int64_t n = dims_count(t->dims);
    if (t->velocity && t->momentum)
        TRY(session_write(session, t->velocity, t->momentum, DTYPE_F32));
    if (t->type == ELEMENT_FLOAT32)
        return session_write(session, t->value, t->data, DTYPE_F32);
    int32_t *small = mem_alloc((size_t)n * sizeof *small);
    for (int64_t i = 0; i < n; i++)
        small[i] = (int32_t)((const int64_t *)t->data)[i];
    Status status = session_write(session, t->value, small, DTYPE_I32);
    free(small);
    return status;
}

/* The network and the options that decide which images come next must be those of the run (SAME in
 * options.def). All that differ are listed. Of the network the file's own word counts. */
static Status check_same(const Snapshot *s, const char *path, const TrainingState *state)
{
    Arena arena = {0};
    OptionChange changes[OPTION_COUNT];
    const char *then = training_extra_text(state, "options", ""), *text = "";
    int count = options_changes(s->options, then, RESUME_SAME, &arena, changes);
    if (strcmp(s->state.arch, state->arch) != 0)
        text = arena_printf(&arena, ", --arch %s vs %.60s", s->state.arch, state->arch);
    for (int i = 0; i < count; i++)
        if (changes[i].id != OPTION_ID_arch)
            text = arena_printf(&arena, "%s, --%s %s vs %.60s", text, changes[i].name,
                                changes[i].now, changes[i].then);
    Status status = STATUS_OK;
    if (*text)
        status = status_fail(STATUS_INPUT,
                             "%s: options: not those of the run to resume (%s). --init-from starts "
                             "a new run from its weights",
                             path, text + strlen(", "));
    arena_free(&arena);
    return status;
}

/* The images must be those of the run: its place in an epoch means others otherwise. The published
 * code does not say what it trained on. */
static Status check_data(const Snapshot *s, const char *path, const TrainingState *state)
{
    Arena arena = {0};
    const char *now = name_data(s->data, &arena), *then = training_extra_text(state, "data", now);
    Status status = STATUS_OK;
    if (strcmp(then, now) != 0)
        status = status_fail(STATUS_INPUT,
                             "%s: %s: not the training data of the run to resume (%s vs %.100s). "
                             "--init-from starts a new run from its weights",
                             path, s->data->source, now, then);
    arena_free(&arena);
    return status;
}

static const char *shown(const char *value)
{
    return *value ? value : "(none)";
}

/* Says which other options differ from those that the run was saved with: allowed, but seldom
 * meant. */
static void warn_of_changes(Snapshot *s, const TrainingState *state)
{
    Arena arena = {0};
    OptionChange changes[OPTION_COUNT];
    const char *then = training_extra_text(state, "options", "");
    int count = options_changes(s->options, then, RESUME_TELL, &arena, changes);
    for (int i = 0; i < count; i++) {
        log_warn("--%s: %s now, %s when the run was saved", changes[i].name,
                 shown(changes[i].now), shown(changes[i].then));
        s->changes = arena_printf(&s->kept, "%s%s %s -> %s\n", s->changes, changes[i].name,
                                  shown(changes[i].then), shown(changes[i].now));
    }
    arena_free(&arena);
}

/* Another device, driver or tuning rounds otherwise: allowed, but no longer the same bits. */
static void warn_of_arithmetic(const Session *session, const TrainingState *state)
{
    char now[SESSION_ARITHMETIC];
    session_arithmetic(session, now);
    const char *then = training_extra_text(state, "arithmetic", now);
    if (strcmp(then, now) != 0)
        log_warn("this run goes on with other arithmetic (%s; saved with %.*s): its bits will "
                 "differ from those of an "
                 "uninterrupted run",
                 now, SESSION_ARITHMETIC, then);
}

/* A number of images, 0 where the file claims nonsense. */
static int64_t read_count(const TrainingState *state, const char *key)
{
    int64_t count = training_extra_int(state, key, 0);
    return count >= 0 && count < INT64_C(1) << 53 ? count : 0;
}

/* A number from 0 to `most`, 0 where the file claims nonsense: no accuracy is above a NaN, so no
 * checkpoint would ever be the best again. */
static double read_number(const TrainingState *state, const char *key, double otherwise,
                          double most)
{
    double number = training_extra_float(state, key, otherwise);
    return number >= 0 && number <= most ? number : 0;
}

static Select select_or_test(const char *word)
{
    Select select = select_of_word(word);
    return select == SELECT_AUTO ? SELECT_TEST : select;
}

Select snapshot_select(const Checkpoint *c)
{
    const char *word = checkpoint_text(c, "openpaco/select");
    return select_or_test(word ? word : "");
}

static void read_selection(const TrainingState *state, Selection *chosen)
{
    int64_t epoch = training_extra_int(state, "chosen_epoch", 0);
    *chosen = (Selection){.select = select_or_test(training_extra_text(state, "select", ""))};
    chosen->data = strtoull(training_extra_text(state, "select_data", "0"), NULL, 16);
    chosen->epoch = epoch > 0 && epoch <= 1000000 ? (int)epoch : 0;
#define X(field, tag)                                                                              \
    chosen->field = training_extra_float(state, "chosen_" #field, NAN);                            \
    if (isinf(chosen->field))                                                                      \
        chosen->field = NAN;
    TEST_FIGURES(X)
    VAL_FIGURES(X)
#undef X
}

/* Where the run stands. A file can claim anything. */
static Status read_progress(const char *path, const TrainingState *state, int64_t steps,
                            Progress *p)
{
    int64_t epoch = training_extra_int(state, "epoch", state->epoch);
    int64_t step = training_extra_int(state, "epoch_step", 0);
    bool sane = epoch >= 0 && epoch <= 1000000 && step >= 0 && step <= steps;
    int64_t done = training_extra_int(state, "step", sane ? epoch * steps : 0);
    if (!sane || done < 0 || done > INT_MAX)
        return status_fail(
            STATUS_INPUT,
            "%s: openpaco: epoch %lld, step %lld of %lld: no place where this run can stand. "
            "Was it trained on other data?",
            path, (long long)epoch, (long long)step, (long long)steps);
    p->epoch = (int)epoch;
    p->step = step;
    p->done = done;
    p->best = read_number(state, "best", state->accuracy / 100, 1);
    read_selection(state, &p->selection);
    p->loss_sum = read_number(state, "loss_sum", 0, 1e300);
    p->correct = read_count(state, "correct");
    p->correct_prior = read_count(state, "correct_prior");
    p->seen = read_count(state, "seen");
    p->lost = read_count(state, "lost");
    p->skipped = read_count(state, "skipped");
    p->skipped_before = read_count(state, "skipped_before");
    return STATUS_OK;
}

/* Without one in the file the scale stays what a run begins with. */
static Status restore_scaler(const Snapshot *s, Session *session, const char *path,
                             const TrainingState *state, Progress *p)
{
    if (!s->scaler)
        return STATUS_OK;
    ScalerState scaler = state->scaler;
    if (!state->scaled) {
        log_info("%s: without a scaler: the loss scale begins at %g", path, SCALER_FIRST);
        return STATUS_OK;
    }
    int64_t skips = read_count(state, "overflows");
    scaler.skips = p->overflows = skips < SCALER_COUNT_MOST ? skips : 0;
    return scaler_put(session, s->scaler, &scaler);
}

/* The differences; and where this program did not write the file, what can be done with it. */
static Status tell_unsuitable(Status status, const TrainingLoad *load)
{
    enum { SHOWN = 10 };
    match_print(&load->match, SHOWN);
    if (status != STATUS_INPUT || load->state.extra || !load->checkpoint)
        return status;
    return status_fail(status, "%s. To resume, a file needs all of that; --init-from takes the "
                       "weights of a foreign one", status_text());
}

const char *snapshot_changes(const Snapshot *s)
{
    return s->changes;
}

Status snapshot_restore(Snapshot *s, Session *session, const char *path, int64_t steps, Progress *p)
{
    TrainingLoad load;
    CheckpointOptions open = {.require_crc = s->options->require_crc};
    Status status = training_load(path, &s->state, &open, &load);
    if (status == STATUS_OK)
        status = not_finite_tell(&load.not_finite, path, s->options->strict_finite);
    bool other =
        status != STATUS_OK && load.state.arch && strcmp(load.state.arch, s->state.arch) != 0;
    if (other)
        status = check_same(s, path, &load.state);
    else if (status != STATUS_OK && status != STATUS_NAN)
        status = tell_unsuitable(status, &load);
    if (status == STATUS_OK)
        status = check_same(s, path, &load.state);
    if (status == STATUS_OK)
        status = check_data(s, path, &load.state);
    for (int i = 0; i < s->state.count && status == STATUS_OK; i++) {
        const ModelTensor *t = &load.state.tensors[i];
        if (t->value)
            status = restore_tensor(session, t);
        else if (strcmp(t->name, "queue_ptr") == 0)
            p->queue_head = (int)*(const int64_t *)t->data;
    }
    if (status == STATUS_OK)
        status = read_progress(path, &load.state, steps, p);
    if (status == STATUS_OK)
        status = restore_scaler(s, session, path, &load.state, p);
    if (status == STATUS_OK) {
        snprintf(s->run, sizeof s->run, "%s",
                 training_extra_text(&load.state, below_dict(STORE_SAYS_RUN), s->run));
        warn_of_changes(s, &load.state);
        warn_of_arithmetic(session, &load.state);
    }
    training_load_free(&load);
    return status;
}
