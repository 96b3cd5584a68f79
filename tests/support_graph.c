/* Graphs under test: see support_graph.h. */
#include "support_graph.h"

#include "base/arena.h"
#include "base/rng.h"
#include "plan/lower.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

enum { TINY_ELEMENTS = 3000 }; /* of a case that a simulator runs */

/* ------------------------------------------------------------------------------------ building */

static TrialValue *entry_of(Trial *t, Value *value)
{
    TrialValue *e = &t->values[t->count];
    assert_true(t->count < TRIAL_VALUES);
    t->count++;
    e->value = value;
    return e;
}

Value *trial_input(Trial *t, const char *name, Role role, DType dtype, Dims dims, Fill fill)
{
    TrialValue *e = entry_of(t, graph_value(t->graph, name, role, dtype, dims));
    e->fill = fill;
    e->filled = true;
    return e->value;
}

Value *trial_features(Trial *t, const char *name, Dims dims, Fill fill)
{
    return trial_input(t, name, ROLE_STATE, DTYPE_F32, dims, fill);
}

Value *trial_param(Trial *t, const char *name, Dims dims, Fill fill)
{
    return trial_input(t, name, ROLE_PARAM, DTYPE_F32, dims, fill);
}

Value *trial_copy(Trial *t, const char *name, Value *param)
{
    Value *copy = trial_input(t, name, ROLE_COPY, DTYPE_F32, param->dims, FILL_NORMAL);
    copy->of = param;
    return copy;
}

Value *trial_given(Trial *t, const char *name, Role role, int count, const double *numbers)
{
    Value *v = trial_input(t, name, role, DTYPE_F32, DIMS1(count), FILL_GIVEN);
    memcpy(t->values[t->count - 1].given, numbers, (size_t)count * sizeof *numbers);
    return v;
}

Value *trial_labels(Trial *t, const char *name, int64_t count, int below)
{
    Value *v = trial_input(t, name, ROLE_INPUT, DTYPE_I32, DIMS1(count), FILL_CLASS);
    t->values[t->count - 1].below = below;
    return v;
}

void trial_output(Trial *t, Value *value, Judge judge)
{
    TrialValue *e = entry_of(t, value);
    e->judge = judge;
    e->judged = true;
    if (value->role == ROLE_ACTIVATION)
        value->role = ROLE_OUTPUT;
}

void trial_mutated(Trial *t, Value *value, Judge judge)
{
    for (int i = 0; i < t->count; i++)
        if (t->values[i].value == value) {
            t->values[i].judge = judge;
            t->values[i].judged = true;
            return;
        }
    fail_msg("%s is no input", value->name);
}

void trial_fuses(Trial *t, OpKind made, OpKind gone)
{
    t->fuse = true;
    t->expected[0] = made;
    t->gone[0] = gone;
    trial_fuses_last_team(t, made, gone);
}

void trial_fuses_last_team(Trial *t, OpKind made, OpKind gone)
{
    t->expected[1] = made;
    t->gone[1] = gone;
}

/* The graph anew; the entries name its values. */
static void rebuild(Trial *t, BuildTrial *build)
{
    t->graph = graph_new();
    t->graph->segment = SEGMENT_QUERY;
    t->graph->storage = t->storage;
    t->count = 0;
    t->state = (StepParams){.grad_scale = 1};
    t->fuse = false;
    /* Later parameters do not begin where a buffer does. */
    trial_param(t, "neighbour", DIMS1(3), FILL_NORMAL);
    build(t);
}

static double fill_one(Rng *rng, const TrialValue *e)
{
    double x;
    switch (e->fill) {
    case FILL_POSITIVE: return (float)(0.5 + rng_uniform(rng));
    case FILL_RELU: x = rng_normal(rng); return x > 0 ? (float)x : 0;
    case FILL_COARSE: return (double)rng_below(rng, 5) - 2;
    case FILL_CLASS: return rng_below(rng, (uint32_t)e->below);
    case FILL_BYTES: return rng_below(rng, 256);
    default: return (float)rng_normal(rng);
    }
}

static void fill(const Trial *t, TrialValue *e)
{
    int64_t n = dims_count(e->value->dims);
    uint64_t sample = rng_hash(e->value->name);
    for (int i = 0; i < TRIAL_SIZES; i++)
        sample = sample * 1000003 + (uint64_t)t->p[i];
    Rng rng = rng_stream(TRIAL_SEED, 0, sample, RNG_TEST);
    e->initial = mem_alloc((size_t)n * sizeof *e->initial);
    uint32_t *order = mem_alloc((size_t)n * sizeof *order);
    if (e->fill == FILL_PERMUTATION)
        rng_permutation(&rng, order, (uint32_t)n);
    for (int64_t i = 0; i < n; i++)
        e->initial[i] = e->fill == FILL_PERMUTATION ? order[i] : fill_one(&rng, e);
    if (e->fill == FILL_NAN)
        e->initial[n * 2 / 3] = NAN;
    bool stored = value_is_image(e->value) || value_is_copy(e->value);
    for (int64_t i = 0; stored && e->value->dtype == DTYPE_F32 && i < n; i++)
        e->initial[i] = dtype_round(t->rounded, e->initial[i]);
    if (e->fill == FILL_INFINITE)
        e->initial[n - 1] = -INFINITY;
    if (e->fill == FILL_GIVEN)
        memcpy(e->initial, e->given, (size_t)n * sizeof *e->initial);
    free(order);
}

/* ------------------------------------------------------------------------------------ the reference */

/* What a trial runs, in this order; most of them are empty. */
static const Segment segments[] = {SEGMENT_QUERY, SEGMENT_FOLD, SEGMENT_EVAL};

static void run_reference(Trial *t, BuildTrial *build, const char *name)
{
    Session *session;
    rebuild(t, build);
    bool first = strcmp(name, "ref") == 0;
    must(session_open(t->graph, &(SessionOptions){.device = name}, &session));
    for (int i = 0; i < t->count; i++) {
        TrialValue *e = &t->values[i];
        if (first && e->filled)
            fill(t, e);
        if (e->filled)
            must(session_write(session, e->value, e->initial, DTYPE_F64));
    }
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++)
        must(session_run(session, segments[i], &t->state));
    for (int i = 0; i < t->count; i++) {
        TrialValue *e = &t->values[i];
        e->count = dims_count(e->value->dims);
        double *x = mem_alloc((size_t)e->count * sizeof *x);
        must(session_read(session, e->value, x, DTYPE_F64));
        *(first ? &e->ref64 : &e->ref32) = x;
    }
    session_close(session);
}

static void forget(TrialValue *e, bool initial)
{
    if (initial)
        free(e->initial);
    free(e->ref64);
    free(e->ref32);
}

/* The float32 error that results have before they are rounded to 16 bits: what the reference's own float32 has from the
 * same contents. */
static void measure_own(Trial *t, BuildTrial *build)
{
    DType storage = t->storage;
    t->rounded = storage;
    t->storage = DTYPE_F32;
    run_reference(t, build, "ref");
    run_reference(t, build, "ref32");
    t->storage = storage;
    for (int i = 0; i < t->count; i++) {
        TrialValue *e = &t->values[i];
        double squares = 0;
        for (int64_t j = 0; j < e->count; j++)
            squares += (e->ref32[j] - e->ref64[j]) * (e->ref32[j] - e->ref64[j]);
        e->own = sqrt(squares / (double)e->count);
        forget(e, e->filled);
    }
}

/* ------------------------------------------------------------------------------------ devices */

static void *device_bytes(const Plan *plan, const Value *value)
{
    void *bytes = mem_alloc(plan->values[value->id].bytes);
    must(plan->backend->read(plan->device, bytes, plan_ref(plan, value), plan->values[value->id].bytes));
    return bytes;
}

/* Lanes beyond C hold zeros. */
static void check_lanes(const Plan *plan, const Value *value, const uint8_t *bytes, const char *what)
{
    const PlanValue *v = &plan->values[value->id];
    if (!v->blocked || v->stored == DTYPE_BIT)
        return;
    Layout s = layout_of(plan->info, value);
    int64_t size = dtype_bytes(v->stored), blocks = s.width / s.block, rows = (int64_t)s.N * blocks * s.HW;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t lane = 0; lane < s.block; lane++)
            for (int64_t b = 0; row / s.HW % blocks * s.block + lane >= s.C && b < size; b++)
                if (bytes[(row * s.block + lane) * size + b])
                    fail_msg("%s: %s: lane %d of %d channels is not zero", what, value->name,
                             (int)(row / s.HW % blocks * s.block + lane), s.C);
}

static void write_values(const Trial *t, Plan *plan)
{
    for (int i = 0; i < t->count; i++) {
        const TrialValue *e = &t->values[i];
        if (e->filled) {
            must(plan_write(plan, e->value, e->initial, DTYPE_F64));
            continue;
        }
        if (t->rig->tiny)
            continue;
        void *poison = sentinels((plan->values[e->value->id].bytes + 3) / 4 * 4);
        must(plan->backend->write(plan->device, plan_ref(plan, e->value), poison,
                                  plan->values[e->value->id].bytes));
        free(poison);
    }
}

static void check_values(Trial *t, Plan *plan, const char *what)
{
    for (int i = 0; i < t->count; i++) {
        TrialValue *e = &t->values[i];
        void *after = device_bytes(plan, e->value);
        if (e->judge.kind != JUDGE_NANS) /* a zero weight times a not-a-number is one, too */
            check_lanes(plan, e->value, after, what);
        if (!e->judged && memcmp(after, e->before, plan->values[e->value->id].bytes))
            fail_msg("%s: input %s was overwritten", what, e->value->name);
        free(after);
        if (!e->judged)
            continue;
        double *seen = mem_alloc((size_t)dims_count(e->value->dims) * sizeof *seen);
        must(plan_read(plan, e->value, seen, DTYPE_F64));
        trial_judge(t, what, seen, e, plan->values[e->value->id].stored);
        free(seen);
    }
}

/* Runs the plan from the same contents twice: `before` holds what the first run left, then. (Tiny: once.) */
static void run_twice(Trial *t, Plan *plan, const char *what)
{
    void *first[TRIAL_VALUES];
    for (int run = t->rig->tiny; run < 2; run++) {
        write_values(t, plan);
        for (int i = 0; i < t->count; i++)
            t->values[i].before = device_bytes(plan, t->values[i].value);
        for (size_t i = 0; i < sizeof segments / sizeof *segments; i++)
            must(plan_run(plan, segments[i], &t->state));
        for (int i = 0; i < t->count; i++) {
            void *bytes = device_bytes(plan, t->values[i].value);
            if (run && !t->rig->tiny && memcmp(first[i], bytes, plan->values[t->values[i].value->id].bytes))
                fail_msg("%s: %s: two runs differ in their bits", what, t->values[i].value->name);
            if (!run) {
                first[i] = bytes;
                continue;
            }
            free(bytes);
            if (!t->rig->tiny)
                free(first[i]);
        }
        if (run)
            check_values(t, plan, what);
        for (int i = 0; i < t->count; i++)
            free(t->values[i].before);
    }
}

static void note_operators(Trial *t, const Plan *plan, const char *what)
{
    const bool last_team = plan->info->caps & CAP_LAST_TEAM;
    const OpKind expected = t->expected[last_team], gone = t->gone[last_team];
    bool found = !t->fuse, left = false;
    for (int i = 0; i < plan->graph->nodes_count; i++) {
        OpKind op = plan->graph->nodes[i]->op;
        t->rig->seen[op] = true;
        found |= op == expected;
        left |= t->fuse && op == gone;
    }
    if (!found || left)
        fail_msg("%s: fusion made no %s or left a %s", what, op_get(expected)->name,
                 op_get(gone)->name);
}

/* apart: every value has a buffer of its own, between guards. Else they lie side by side. */
static void run_device(Trial *t, BuildTrial *build, int device, bool apart)
{
    Guard *g = &t->rig->guards[device];
    char what[256];
    int length = snprintf(what, sizeof what, "%s(", t->name);
    for (int i = 0; i < TRIAL_SIZES; i++)
        length += snprintf(what + length, sizeof what - (size_t)length, "%s%d", i ? "," : "", t->p[i]);
    snprintf(what + length, sizeof what - (size_t)length, ") with %s%s, %s", t->rig->names[device],
             apart ? ", values apart" : "", dtype_word(t->storage));
    g->info = *g->inner->opened(g->device);
    Plan *plan;
    rebuild(t, build);
    must(plan_compile(t->graph, guard_backend(), guard_device(g),
                      &(PlanOptions){.no_fuse = !t->fuse, .apart = apart}, &plan));
    note_operators(t, plan, what);
    run_twice(t, plan, what);
    guard_check(g, what);
    plan_free(plan);
}

/* Elements of all values of the case. */
static int64_t trial_elements(Trial *t, BuildTrial *build)
{
    int64_t count = 0;
    rebuild(t, build);
    for (int i = 0; i < t->graph->values_count; i++)
        count += dims_count(t->graph->values[i]->dims);
    graph_free(t->graph);
    return count;
}

/* What its graph is made of. */
typedef struct Made {
    bool stored, convolutions; /* stored: something lies in the storage type */
} Made;

static Made made_of(Trial *t, BuildTrial *build)
{
    Made made = {false, false};
    rebuild(t, build);
    for (int i = 0; i < t->graph->values_count; i++)
        made.stored |= value_is_image(t->graph->values[i]) || value_is_copy(t->graph->values[i]);
    for (int i = 0; i < t->graph->nodes_count; i++)
        made.convolutions |= strncmp(op_get(t->graph->nodes[i]->op)->name, "conv", 4) == 0;
    graph_free(t->graph);
    return made;
}

/* Whether the device has convolutions in the layout that it has here, rounded where the reference rounds. */
static bool convolves(Guard *guard, DType storage)
{
    const DeviceInfo *info = guard->inner->opened(guard->device);
    if (info->caps & CAP_ROUNDED_SUMS)
        return storage == DTYPE_F32; /* in 16 bits they are test_conv_stored's matter */
    return info->channel_block;
}

/* In float32 on every device, values apart and side by side; in 16 bits apart. */
static void run_stored(Trial *t, BuildTrial *build, DType storage)
{
    t->storage = storage;
    Made made = made_of(t, build);
    if (storage != DTYPE_F32 && !made.stored)
        return;
    if (storage != DTYPE_F32)
        measure_own(t, build);
    run_reference(t, build, "ref");
    run_reference(t, build, "ref32");
    for (int device = 0; device < t->rig->devices; device++)
        for (int apart = t->rig->tiny || storage != DTYPE_F32; apart < 2; apart++)
            if (!made.convolutions || convolves(&t->rig->guards[device], storage))
                run_device(t, build, device, apart);
    t->rig->cases++;
    for (int i = 0; i < t->count; i++)
        forget(&t->values[i], true);
}

void trial_run(Rig *rig, const char *name, BuildTrial *build, const int *p)
{
    static const DType storages[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    Trial t = {.rig = rig, .name = name, .p = p};
    if (rig->tiny && trial_elements(&t, build) > TINY_ELEMENTS)
        return;
    for (size_t i = 0; i < sizeof storages / sizeof *storages; i++)
        run_stored(&t, build, storages[i]);
}
