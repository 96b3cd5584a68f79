/* Graphs under test: see support_graph.h. */
#include "support_graph.h"

#include "base/arena.h"
#include "base/rng.h"
#include "device/registry.h"
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

/* ------------------------------------------------------------------------------------ guarded devices */

enum { TAIL = 512, SEED = 7, TINY_ELEMENTS = 3000 };
static const double ROUNDING = 6e-8; /* of float32 */
enum { SMALL = 64 };                 /* elements of a tensor too small for a mean */
static const uint32_t SENTINEL = 0x7fc0dead; /* a not-a-number: what is read by mistake shows */

typedef struct GuardBuffer {
    Buffer *inner;
    uint64_t bytes, lead, tail;
    struct GuardBuffer *next;
} GuardBuffer;

static Guard *guard_of(const Device *device)
{
    return (Guard *)(uintptr_t)device;
}

Device *guard_device(Guard *guard)
{
    return (Device *)guard;
}

static Ref inner_ref(Ref ref)
{
    const GuardBuffer *b = (const GuardBuffer *)ref.buf;
    return b ? (Ref){b->inner, b->lead + ref.off} : ref;
}

static const DeviceInfo *guard_opened(const Device *device)
{
    return &guard_of(device)->info;
}

static void *sentinels(uint64_t bytes)
{
    uint32_t *words = mem_alloc(bytes);
    for (uint64_t i = 0; i < bytes / 4; i++)
        words[i] = SENTINEL;
    return words;
}

static uint64_t outer_bytes(const GuardBuffer *b)
{
    return b->lead + b->tail + (b->tail ? (b->bytes + 3) / 4 * 4 : b->bytes);
}

static Status guard_alloc(Device *device, uint64_t bytes, Buffer **buffer)
{
    Guard *g = guard_of(device);
    GuardBuffer *b = mem_zero(1, sizeof *b);
    b->bytes = bytes;
    if (!g->bare) {
        b->lead = (uint64_t)(TAIL + g->info.alignment - 1) / g->info.alignment * g->info.alignment;
        b->tail = TAIL;
    }
    Status status = g->inner->alloc(g->device, outer_bytes(b), &b->inner);
    if (status != STATUS_OK) {
        free(b);
        return status;
    }
    if (!g->bare) {
        void *image = sentinels(outer_bytes(b));
        status = g->inner->write(g->device, (Ref){b->inner, 0}, image, outer_bytes(b));
        free(image);
    }
    b->next = g->buffers;
    g->buffers = b;
    *buffer = (Buffer *)b;
    return status;
}

static void guard_release(Device *device, Buffer *buffer)
{
    Guard *g = guard_of(device);
    GuardBuffer **at = &g->buffers;
    while (*at != (GuardBuffer *)buffer)
        at = &(*at)->next;
    GuardBuffer *b = *at;
    *at = b->next;
    /* oclgrind (21.10) takes what was written to a new buffer at a freed one's address for uninitialised beyond
     * the size of the old one: under it, addresses are used once. */
    if (!g->bare)
        g->inner->release(g->device, b->inner);
    free(b);
}

static Status guard_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    return guard_of(device)->inner->write(guard_of(device)->device, inner_ref(to), from, bytes);
}

static Status guard_read(Device *device, void *to, Ref from, uint64_t bytes)
{
    return guard_of(device)->inner->read(guard_of(device)->device, to, inner_ref(from), bytes);
}

static Status guard_choose(Device *device, Step *step)
{
    return guard_of(device)->inner->choose(guard_of(device)->device, step);
}

/* From here on the step names inner buffers. Kernels run in groups of one: PoCL compiles a kernel anew
 * for every size of a group that it chooses, which takes longer than all the rest of a test. */
static Status guard_prepare(Device *device, Step *step)
{
    for (int i = 0; i < 3 && step->kind == STEP_KERNEL; i++)
        if (!step->kernel.local[i])
            step->kernel.local[i] = 1;
    for (int i = 0; i < step->refs_count; i++)
        step->refs[i] = inner_ref(step->refs[i]);
    step->packed = inner_ref(step->packed);
    step->workspace = inner_ref(step->workspace);
    return guard_of(device)->inner->prepare(guard_of(device)->device, step);
}

static void guard_discard(Device *device, Step *step)
{
    guard_of(device)->inner->discard(guard_of(device)->device, step);
}

static Status guard_run(Device *device, const Step *steps, int count)
{
    return guard_of(device)->inner->run(guard_of(device)->device, steps, count);
}

static Status guard_sync(Device *device)
{
    return guard_of(device)->inner->sync(guard_of(device)->device);
}

const Backend *guard_backend(void)
{
    static const Backend backend = {
        .abi = BACKEND_ABI, .name = "guarded", .opened = guard_opened, .alloc = guard_alloc,
        .release = guard_release, .write = guard_write, .read = guard_read, .choose = guard_choose,
        .prepare = guard_prepare, .discard = guard_discard, .run = guard_run, .sync = guard_sync,
    };
    return &backend;
}

void guard_check(Guard *g, const char *what)
{
    for (const GuardBuffer *b = g->bare ? NULL : g->buffers; b; b = b->next) {
        uint64_t bytes = outer_bytes(b), first = b->lead, last = b->lead + b->bytes;
        uint8_t *image = mem_alloc(bytes), *clean = sentinels(bytes);
        must(g->inner->read(g->device, image, (Ref){b->inner, 0}, bytes));
        for (uint64_t i = 0; i < bytes; i++)
            if ((i < first || i >= last) && image[i] != clean[i])
                fail_msg("%s: guard byte %lld beside %llu bytes was overwritten", what,
                         (long long)i - (long long)first, (unsigned long long)b->bytes);
        free(image);
        free(clean);
    }
}

void rig_open(Rig *rig)
{
    const char *kernels[RIG_DEVICES] = {getenv("PACO_TEST_KERNELS"), "gpu", "channels-last", "gpu,channels-last"};
    const char *name = getenv("PACO_TEST_DEVICE");
    *rig = (Rig){.names = {"own kernels", "gpu kernels", "own kernels, channels last", "gpu kernels, channels last"},
                 .devices = RIG_DEVICES, .tiny = getenv("PACO_TEST_TINY")};
    if (rig->tiny) {
        rig->devices = 1;
        rig->names[0] = kernels[0] ? kernels[0] : "own kernels";
    }
    printf("seed %d\n", SEED);
    for (int i = 0; i < rig->devices; i++) {
        Guard *g = &rig->guards[i];
        DeviceOptions options = {.kernels = kernels[i]};
        if (device_open(name && *name ? name : "opencl", &options, &g->inner, &g->device) != STATUS_OK) {
            fprintf(stderr, "skipped: %s\n", status_text());
            exit(77);
        }
        g->info = *g->inner->opened(g->device);
        g->bare = rig->tiny;
    }
}

void rig_close(Rig *rig)
{
    for (int i = 0; i < rig->devices; i++)
        rig->guards[i].inner->close(rig->guards[i].device);
}

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
    Rng rng = rng_stream(SEED, 0, sample, RNG_TEST);
    e->initial = mem_alloc((size_t)n * sizeof *e->initial);
    uint32_t *order = mem_alloc((size_t)n * sizeof *order);
    if (e->fill == FILL_PERMUTATION)
        rng_permutation(&rng, order, (uint32_t)n);
    for (int64_t i = 0; i < n; i++)
        e->initial[i] = e->fill == FILL_PERMUTATION ? order[i] : fill_one(&rng, e);
    if (e->fill == FILL_NAN)
        e->initial[n * 2 / 3] = NAN;
    for (int64_t i = 0; value_is_image(e->value) && e->value->dtype == DTYPE_F32 && i < n; i++)
        e->initial[i] = dtype_round(t->rounded, e->initial[i]);
    if (e->fill == FILL_INFINITE)
        e->initial[n - 1] = -INFINITY;
    if (e->fill == FILL_GIVEN)
        memcpy(e->initial, e->given, (size_t)n * sizeof *e->initial);
    free(order);
}

/* ------------------------------------------------------------------------------------ comparing */

Distance tensor_distance(const double *a, const double *b, int64_t n)
{
    Distance d = {0};
    double squares = 0, errors = 0;
    for (int64_t i = 0; i < n; i++)
        squares += b[i] * b[i];
    double rms = sqrt(squares / (double)n);
    for (int64_t i = 0; i < n; i++) {
        double error = fabs(a[i] - b[i]), share = error / (fabs(b[i]) + rms + 1e-300);
        errors += error * error;
        if (!(share <= d.element))
            d.element = share, d.where = i;
    }
    d.relative = sqrt(errors) / (sqrt(squares) + 1e-300);
    return d;
}

static void judge_exact(const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double expected = e->value->dtype == DTYPE_F32 ? (float)e->ref64[i] : e->ref64[i];
        if (!(seen[i] == expected))
            fail_msg("%s: element %lld is %.9g, expected %.9g exactly", what, (long long)i, seen[i],
                     expected);
    }
}

/* Normalised mean squared error that a float32 sum of `length` terms may have. */
static double sum_bound(double length)
{
    return 10 * (0.55 + 0.1 * length) * ROUNDING * ROUNDING;
}

/* Every element has its bound. The mean square is one of many elements: those of small tensors are judged together,
 * once the operator's cases have run. */
static void judge_sum(Rig *rig, const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    const double length = e->judge.length;
    Distance d = tensor_distance(seen, e->ref64, n);
    double mean_square = d.relative * d.relative / sum_bound(length);
    double element = d.element / (32 * ROUNDING * sqrt(length));
    bool small = n < SMALL;
    if (!(mean_square <= 1 || small) || !(element <= 1))
        fail_msg("%s: mean squared error %.3f, element %lld %.3f of the bounds (%.9g, expected %.9g)", what,
                 mean_square, (long long)d.where, element, seen[d.where], e->ref64[d.where]);
    if (small) {
        rig->pooled_sum += mean_square * (double)n;
        rig->pooled_elements += (double)n;
    } else
        rig->worst_sum = fmax(rig->worst_sum, mean_square);
    rig->worst_element = fmax(rig->worst_element, element);
}

void rig_judge_pool(Rig *rig)
{
    if (rig->pooled_elements == 0)
        return;
    double mean_square = rig->pooled_sum / rig->pooled_elements;
    if (!(mean_square <= 1))
        fail_msg("small tensors: mean squared error %.3f of the bound, over %.0f elements", mean_square,
                 rig->pooled_elements);
    rig->worst_sum = fmax(rig->worst_sum, mean_square);
}

void rig_clear(Rig *rig)
{
    rig->cases = rig->compared = 0;
    rig->worst_sum = rig->worst_element = rig->worst_cancel = rig->pooled_sum = rig->pooled_elements = rig->worst_share = 0;
}

static double rms(const double *x, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    return sqrt(squares / (double)n);
}

/* What is nothing but cancelled terms (the gradient of normalising one element) has the scale of what is filled. */
static bool cancels_wholly(const Trial *t, const TrialValue *e, int64_t n, double *scale)
{
    *scale = 0;
    for (int i = 0; i < t->count; i++)
        if (t->values[i].filled && t->values[i].value->dtype == DTYPE_F32)
            *scale = fmax(*scale, rms(t->values[i].initial, dims_count(t->values[i].value->dims)));
    return rms(e->ref64, n) < ROUNDING * ROUNDING * *scale;
}

/* The reference's own float32 can be right by luck where elements are few, and its sums are exacter than most: no
 * result is judged by less than the bound of a sum of `length` terms that do not cancel. */
static void judge_cancel(Trial *t, const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    Rig *rig = t->rig;
    Distance d = tensor_distance(seen, e->ref64, n), own = tensor_distance(e->ref32, e->ref64, n);
    double bound = fmax(8 * own.relative, sqrt(sum_bound(e->judge.length))), scale;
    if (cancels_wholly(t, e, n, &scale))
        d.relative = rms(seen, n) / scale;
    /* Up to three of the terms may come from images between operators that were rounded otherwise (judge_stored). */
    if (t->storage != DTYPE_F32)
        bound = fmax(bound, 3 * ldexp(1, -half_digits(t->storage)) / sqrt(fmax(e->judge.length, 1)));
    if (!(d.relative <= bound))
        fail_msg("%s: %.3g from the reference, whose own float32 is %.3g from it", what, d.relative,
                 own.relative);
    rig->worst_cancel = fmax(rig->worst_cancel, d.relative / bound);
}

/* What both round to 16 bits they round alike, but for what lies so near the middle between two numbers that the errors
 * of their float32 sums decide: few elements, and those by one unit of the format. */
static void judge_stored(const Trial *t, const char *what, const double *seen, const TrialValue *e, int64_t n, DType stored)
{
    double error = 32 * ROUNDING * sqrt(fmax(e->judge.length, 1)), scale = rms(e->ref64, n);
    Rig *rig = t->rig;
    /* Of a chain up to three terms may be what was rounded otherwise in between: images, weights. */
    double between = t->fuse ? 3 * ldexp(scale, -half_digits(stored)) / sqrt(fmax(e->judge.length, 1)) : 0;
    double few = 3 + (double)n * 8 * fmax(error, 8 * e->own / scale) * ldexp(1, half_digits(stored));
    int64_t differ = 0;
    for (int64_t i = 0; i < n; i++) {
        double unit = fabs(e->ref64[i]) > 0 ? ldexp(1, ilogb(e->ref64[i]) - half_digits(stored)) : 0;
        double least = ldexp(1, half_least(stored) - half_digits(stored));
        double off = fabs(seen[i] - e->ref64[i]), bound = fmax(unit, least) + error * (fabs(e->ref64[i]) + scale) + 32 * e->own + between;
        differ += off != 0;
        if (!(off <= bound))
            fail_msg("%s: element %lld is %.9g, expected %.9g in %s", what, (long long)i, seen[i], e->ref64[i],
                     dtype_word(stored));
    }
    if ((double)differ > few)
        fail_msg("%s: %lld of %lld elements are not rounded as on the reference", what, (long long)differ,
                 (long long)n);
    rig->worst_share = fmax(rig->worst_share, (double)differ / few);
}

static void judge_nans(const char *what, const double *seen, const TrialValue *e, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        count += isnan(e->ref64[i]) != 0;
        if (isnan(seen[i]) != isnan(e->ref64[i]))
            fail_msg("%s: element %lld is %g, on the reference %g", what, (long long)i, seen[i], e->ref64[i]);
    }
    if (count != (int64_t)e->judge.length)
        fail_msg("%s: %lld not-a-numbers, expected %.0f", what, (long long)count, e->judge.length);
}

static void judge(Trial *t, const char *what, const double *seen, const TrialValue *e, DType stored)
{
    int64_t n = dims_count(e->value->dims);
    char text[512];
    snprintf(text, sizeof text, "%.250s: %s", what, e->value->name);
    if (e->judge.kind == JUDGE_EXACT)
        judge_exact(text, seen, e, n);
    else if (e->judge.kind == JUDGE_NANS)
        judge_nans(text, seen, e, n);
    else if (stored == DTYPE_F16 || stored == DTYPE_BF16)
        judge_stored(t, text, seen, e, n, stored);
    else if (e->judge.kind == JUDGE_SUM)
        judge_sum(t->rig, text, seen, e, n);
    else
        judge_cancel(t, text, seen, e, n);
    t->rig->compared++;
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
        judge(t, what, seen, e, plan->values[e->value->id].stored);
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
    bool found = !t->fuse, left = false;
    for (int i = 0; i < plan->graph->nodes_count; i++) {
        OpKind op = plan->graph->nodes[i]->op;
        t->rig->seen[op] = true;
        found |= op == t->expected;
        left |= t->fuse && op == t->gone;
    }
    if (!found || left)
        fail_msg("%s: fusion made no %s or left a %s", what, op_get(t->expected)->name,
                 op_get(t->gone)->name);
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
    bool images, convolutions;
} Made;

static Made made_of(Trial *t, BuildTrial *build)
{
    Made made = {false, false};
    rebuild(t, build);
    for (int i = 0; i < t->graph->values_count; i++)
        made.images |= value_is_image(t->graph->values[i]);
    for (int i = 0; i < t->graph->nodes_count; i++)
        made.convolutions |= strncmp(op_get(t->graph->nodes[i]->op)->name, "conv", 4) == 0;
    graph_free(t->graph);
    return made;
}

/* In float32 on every device, values apart and side by side; in 16 bits apart. */
static void run_stored(Trial *t, BuildTrial *build, DType storage)
{
    t->storage = storage;
    Made made = made_of(t, build);
    if (storage != DTYPE_F32 && !made.images)
        return;
    if (storage != DTYPE_F32)
        measure_own(t, build);
    run_reference(t, build, "ref");
    run_reference(t, build, "ref32");
    for (int device = 0; device < t->rig->devices; device++)
        for (int apart = t->rig->tiny || storage != DTYPE_F32; apart < 2; apart++)
            if (!made.convolutions || t->rig->guards[device].inner->opened(t->rig->guards[device].device)->channel_block)
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
