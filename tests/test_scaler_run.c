/* fp16's scaler as the state of a run: resumed at every step to the same bits, taken over from PyTorch's, told in the
 * log, and where its scale can fall no lower the end of the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_device.h"
#include "support_files.h"

#include "base/arena.h"
#include "base/file.h"
#include "checkpoint/bytes/file_ops.h"
#include "checkpoint/writer.h"
#include "device/registry.h"
#include "state/snapshot.h"
#include "train/trainer.h"
#include "train/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* ------------------------------------------------------------------------------------ runs */

/* Where runs run: on the reference, which every machine has; what a device may do otherwise, there again. */
static const char *device = "ref32";

enum { IMAGES = 12, BATCH = 4, STEPS = IMAGES / BATCH, EPOCHS = 2 };

/* A run of two epochs of three steps. `more`: options behind, up to NULL. */
static Options options_of(const char *const *more)
{
    static const char *list;
    Arena lines = {0};
    const char *text = "";
    for (int i = 0; i < IMAGES && !list; i++)
        text = arena_printf(&lines, "%s%s %d\n", text, test_photo(7 * i), i * i % 3);
    if (!list)
        list = test_write_text("list.txt", text);
    arena_free(&lines);
    const char *args[48] = {"--arch", "resnet20", "--size", "8", "--batch", "4", "--epochs", "2", "--warmup", "1",
                            "--queue", "10", "--dim", "8", "--lr", "0.02", "--recipe", "cifar", "--eval-every", "0",
                            "--device", device, "--amp", "fp16", "--keep", "20", "--train-list", list, "--test-list",
                            list};
    int count = 30;
    for (; *more; more++)
        args[count++] = *more;
    Options o;
    must(options_parse(&o, OPTION_TRAIN, 0, count, (char **)args));
    return o;
}

#define OPTIONS(...) options_of((const char *const[]){__VA_ARGS__, NULL})

/* Trains and returns what the program would say; its log goes to *log, malloc'd, unless that is NULL. */
static Status train_with(Options o, char **log)
{
    TrainResult result;
    test_stderr_begin();
    Status status = train(&o, NULL, NULL, &result);
    char *text = test_stderr_end();
    options_free(&o);
    if (log)
        *log = text;
    else
        free(text);
    return status;
}

/* A run that has not begun, with this scaler. */
typedef struct Start {
    Options options;
    Dataset *train, *test;
    Run run;
    Snapshot *snapshot;
    const TrainingState *state;
} Start;

static Start start_with(Options o, ScalerState scaler)
{
    Start s = {.options = o};
    Schedule schedule = schedule_of(&s.options);
    Progress at = {.overflows = scaler.skips};
    must(options_open_data(&s.options, 0, NULL, &s.train, &s.test));
    ModelConfig config = run_config(&s.options, s.train->classes, 8, true, 0);
    SessionOptions session = run_session(&s.options);
    must(run_open(&config, &session, &s.run));
    must(run_begin(&s.run, &schedule, 0, s.train->counts));
    s.snapshot = snapshot_new(&s.run.model, &s.run.config, &s.options, s.train);
    must(scaler_put(s.run.session, s.run.model.scaler, &scaler));
    must(snapshot_take(s.snapshot, s.run.session, &at, 0.02, false, &s.state));
    return s;
}

static void start_end(Start *s)
{
    snapshot_free(s->snapshot);
    run_close(&s->run);
    dataset_close(s->test);
    dataset_close(s->train);
    options_free(&s->options);
}

static const char *start_file(const char *name, const char *ranks, ScalerState scaler)
{
    Start s = start_with(OPTIONS("--ranks", ranks), scaler);
    const char *path = test_path(name);
    must(training_save(path, s.state, &file_ops_system));
    start_end(&s);
    return path;
}

/* ------------------------------------------------------------------------------------ what a run leaves */

static Checkpoint *open_last(const char *out)
{
    Checkpoint *c;
    char *path = file_join(out, "last.pth.tar");
    must(checkpoint_open(path, NULL, &c));
    free(path);
    return c;
}

static ScalerState scaler_of(Checkpoint *c)
{
    ScalerState s;
    bool found;
    must(scaler_read(c, &s, &found));
    assert_true(found);
    must(checkpoint_integer(c, "openpaco/overflows", &s.skips));
    return s;
}

static ScalerState last_scaler(const char *out)
{
    Checkpoint *c = open_last(out);
    ScalerState s = scaler_of(c);
    checkpoint_close(c);
    return s;
}

static void same_tensors(Checkpoint *a, Checkpoint *b)
{
    assert_int_equal(checkpoint_count(a), checkpoint_count(b));
    for (uint32_t i = 0; i < checkpoint_count(a); i++) {
        const CheckpointTensor *t = checkpoint_tensor(a, i), *u = checkpoint_find(b, t->key);
        if (!u)
            fail_msg("%s is missing", t->key);
        ElementType type = t->tensor->type;
        size_t bytes = checkpoint_tensor_bytes(t, type);
        assert_int_equal(bytes, checkpoint_tensor_bytes(u, type));
        void *x = mem_alloc(bytes + 1), *y = mem_alloc(bytes + 1);
        must(checkpoint_read(a, t, type, x));
        must(checkpoint_read(b, u, type, y));
        if (memcmp(x, y, bytes) != 0)
            fail_msg("%s differs", t->key);
        free(x);
        free(y);
    }
}

/* The columns of metrics.csv that are no times. */
static char *metrics_of(const char *out)
{
    char *path = file_join(out, "metrics.csv"), *text = test_read_text(path), *to = text;
    assert_non_null(text);
    free(path);
    for (const char *at = text; *at;) {
        const char *end = at + strcspn(at, "\n");
        for (int commas = 0; at < end && (commas += *at == ',') < 10; at++)
            *to++ = *at;
        *to++ = '\n';
        at = end + 1;
    }
    *to = 0;
    return text;
}

static void same_runs(const char *whole, const char *part)
{
    static const char *const numbers[] = {"epoch", "scaler/scale", "scaler/_growth_tracker", "openpaco/overflows",
                                          "openpaco/lost", "openpaco/step", "openpaco/loss_sum"};
    Checkpoint *a = open_last(whole), *b = open_last(part);
    same_tensors(a, b);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double x, y;
        must(checkpoint_number(a, numbers[i], &x));
        must(checkpoint_number(b, numbers[i], &y));
        if (memcmp(&x, &y, sizeof x) != 0)
            fail_msg("%s: %.17g, resumed %.17g", numbers[i], x, y);
    }
    checkpoint_close(a);
    checkpoint_close(b);
    char *x = metrics_of(whole), *y = metrics_of(part);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

/* ------------------------------------------------------------------------------------ resume */

/* A file or folder of the place where runs run now. */
static const char *place_path(const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", device, name);
    return test_path(path);
}

/* A scale far too large falls to one that this network can bear; it is known then. */
static double bearable_scale(void)
{
    static double scale;
    static const char *known;
    if (known == device)
        return scale;
    const char *start = start_file("far.pth.tar", "1", (ScalerState){ldexp(1, 30), 0, 0}), *out = place_path("far");
    char *log;
    must(train_with(OPTIONS("--resume", start, "--out", out, "--epochs", "15"), &log));
    ScalerState s = last_scaler(out);
    printf("a scale of 2^30 fell to 2^%g in %lld steps\n", log2(s.scale), (long long)s.skips);
    assert_true(s.skips > 10 && s.skips < 15 * STEPS && s.scale == ldexp(1, 30 - (int)s.skips));
    assert_true(s.growth > 0 && s.growth <= 15 * STEPS - s.skips);
    char line[120];
    snprintf(line, sizeof line, "loss scale %g; of %d steps so far %lld skipped", s.scale, 15 * STEPS,
             (long long)s.skips);
    assert_non_null(strstr(log, line));
    free(log);
    known = device;
    scale = s.scale;
    return scale;
}

/* Steps between two stops: where all six are tried is a device, for the reference is slow. */
static int stops_apart(void)
{
    return getenv("PACO_SHORT") ? 3 : strcmp(device, "ref32") == 0 && !getenv("PACO_FULL") ? 2 : 1;
}

/* Stops after steps; the last part ends as the run that was never stopped. */
static void check_resume(const char *name, const char *ranks, ScalerState scaler)
{
    char file[64], whole[64], part[64], steps[8];
    snprintf(file, sizeof file, "%s.pth.tar", name);
    snprintf(whole, sizeof whole, "%s_whole", name);
    const char *start = start_file(file, ranks, scaler), *out = place_path(whole);
    must(train_with(OPTIONS("--ranks", ranks, "--resume", start, "--out", out), NULL));
    ScalerState end = last_scaler(out);
    printf("%s: scale 2^%g, growth %lld, %lld skipped\n", name, log2(end.scale), (long long)end.growth,
           (long long)end.skips);
    /* Something happened that a scaler which was not saved would not do. */
    assert_true(end.scale != scaler.scale || end.skips > scaler.skips);
    assert_true(end.skips - scaler.skips < STEPS * EPOCHS);
    for (int k = 1; k < STEPS * EPOCHS; k += stops_apart()) {
        snprintf(part, sizeof part, "%s_%d", name, k);
        snprintf(steps, sizeof steps, "%d", k);
        const char *to = place_path(part);
        assert_int_equal(
            train_with(OPTIONS("--ranks", ranks, "--resume", start, "--out", to, "--stop-after", steps), NULL),
            STATUS_STOPPED);
        must(train_with(OPTIONS("--ranks", ranks, "--resume", "auto", "--out", to), NULL));
        same_runs(out, to);
    }
}

static void resumes_while_the_scale_falls(void **state)
{
    (void)state;
    check_resume("falls", "1", (ScalerState){8 * bearable_scale(), 0, 3});
}

static void resumes_while_the_scale_grows(void **state)
{
    (void)state;
    check_resume("grows", "1", (ScalerState){bearable_scale() / 4, 1996, 0});
}

static void resumes_with_two_ranks(void **state)
{
    (void)state;
    check_resume("ranks", "2", (ScalerState){4 * bearable_scale(), 1998, 0});
}

/* Another format goes on with the same weights, and says so; back in fp16 the scale begins anew. */
static void format_may_change(void **state)
{
    (void)state;
    const char *start = start_file("change.pth.tar", "1", (ScalerState){256, 5, 0}), *out = place_path("change");
    char *log;
    assert_int_equal(train_with(OPTIONS("--resume", start, "--out", out, "--stop-after", "1"), NULL), STATUS_STOPPED);
    assert_int_equal(train_with(OPTIONS("--resume", "auto", "--out", out, "--stop-after", "1", "--amp", "bf16"), &log),
                     STATUS_STOPPED);
    assert_non_null(strstr(log, "--amp: bf16 now, fp16 when the run was saved"));
    assert_non_null(strstr(log, "this run goes on with other arithmetic"));
    assert_null(strstr(log, "loss scale"));
    free(log);
    Checkpoint *c = open_last(out);
    assert_null(checkpoint_object(c, "scaler"));
    checkpoint_close(c);
    assert_int_equal(train_with(OPTIONS("--resume", "auto", "--out", out, "--stop-after", "1"), &log), STATUS_STOPPED);
    assert_non_null(strstr(log, "without a scaler: the loss scale begins at 65536"));
    free(log);
}

/* ------------------------------------------------------------------------------------ PyTorch's state */

/* A checkpoint as the published code writes it, with this under "scaler"; NULL: nothing. */
static const char *foreign_file(Object *scaler)
{
    Arena arena = {0};
    Start s = start_with(OPTIONS("--ranks", "1"), (ScalerState){1, 0, 0});
    TrainingState state = *s.state;
    state.scaled = false;
    const Object *tree = training_tree(&arena, &state);
    Object *root = object_dict(&arena, false);
    for (uint32_t i = 0; i < tree->count; i++)
        if (!object_is(tree->items[2 * i], "openpaco"))
            object_set(&arena, root, tree->items[2 * i]->text, tree->items[2 * i + 1]);
    if (scaler)
        object_set(&arena, root, "scaler", scaler);
    const char *path = test_path("foreign.pth.tar");
    must(checkpoint_save(path, CHECKPOINT_ZIP, root, NULL, &file_ops_system));
    start_end(&s);
    arena_free(&arena);
    return path;
}

/* torch.amp.GradScaler.state_dict(), spelled out. */
static Object *grad_scaler(Arena *arena, Object *scale, int interval, int tracker)
{
    Object *dict = object_dict(arena, false);
    object_set(arena, dict, "scale", scale);
    object_set(arena, dict, "growth_factor", object_float(arena, 2.0));
    object_set(arena, dict, "backoff_factor", object_float(arena, 0.5));
    object_set(arena, dict, "growth_interval", object_int(arena, interval));
    object_set(arena, dict, "_growth_tracker", object_int(arena, tracker));
    return dict;
}

/* One step from the file by --resume and by --init-from: the scaler after it (growth -1: whatever the step made of it),
 * and the log, which says `begins` and `said`. */
static void takes_over(const char *file, double begins, double scale, int growth, const char *said)
{
    static const char *const ways[] = {"--resume", "--init-from"};
    for (int i = 0; i < 2; i++) {
        char *log, name[32];
        static int number;
        snprintf(name, sizeof name, "foreign_%d", number++);
        const char *out = test_path(name);
        assert_int_equal(train_with(OPTIONS(ways[i], file, "--out", out, "--stop-after", "1"), &log), STATUS_STOPPED);
        ScalerState s = last_scaler(out);
        char line[64];
        snprintf(line, sizeof line, "loss scale %g\n", begins);
        assert_non_null(strstr(log, line));
        if (growth >= 0 && (s.scale != scale || s.growth != growth || s.skips != 0))
            fail_msg("%s: scale %g, growth %lld, %lld skips (expected %g, %d, 0)", ways[i], s.scale, (long long)s.growth,
                     (long long)s.skips, scale, growth);
        if (said && !strstr(log, said))
            fail_msg("%s: no '%s' in: %s", ways[i], said, log);
        free(log);
    }
}

static void refuses(const char *file, const char *what)
{
    char *log;
    assert_int_equal(train_with(OPTIONS("--init-from", file), &log), STATUS_INPUT);
    if (!strstr(status_text(), what))
        fail_msg("'%s' does not say '%s'", status_text(), what);
    free(log);
    assert_int_equal(train_with(OPTIONS("--resume", file), NULL), STATUS_INPUT);
    assert_non_null(strstr(status_text(), what));
    /* Who scales no loss does not read it: the run stops after a step. */
    static int number;
    char name[32];
    snprintf(name, sizeof name, "unscaled_%d", number++);
    assert_int_equal(train_with(OPTIONS("--init-from", file, "--amp", "bf16", "--stop-after", "1", "--out",
                                        test_path(name)), NULL), STATUS_STOPPED);
    assert_non_null(strstr(status_text(), "stopped on request at epoch 1, step 1"));
}

static void takes_over_a_grad_scaler(void **state)
{
    (void)state;
    static const float scale = 512;
    static const int64_t one = 1;
    Arena a = {0};
    takes_over(foreign_file(grad_scaler(&a, object_float(&a, 1024), 2000, 77)), 1024, 1024, 78, NULL);
    takes_over(foreign_file(grad_scaler(&a, object_float(&a, 1024), 2000, 1999)), 1024, 2048, 0, NULL);
    takes_over(foreign_file(grad_scaler(&a, object_tensor(&a, ELEMENT_FLOAT32, 0, &one, &scale), 2000, 3)), 512, 512, 4,
               NULL);
    takes_over(foreign_file(grad_scaler(&a, object_float(&a, 1024), 100, 77)), 1024, 1024, 78,
               "scaler/growth_interval is 100 there; this run goes on with 2000");
    /* One that is off has an empty state; others have none. */
    takes_over(foreign_file(object_dict(&a, false)), 65536, 0, -1, NULL);
    takes_over(foreign_file(object_none(&a)), 65536, 0, -1, NULL);
    takes_over(foreign_file(NULL), 65536, 0, -1, NULL);
    arena_free(&a);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    Arena a = {0};
    const double wrong[] = {0, -1024, INFINITY, NAN, 1e300, 1e-300};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuses(foreign_file(grad_scaler(&a, object_float(&a, wrong[i]), 2000, 0)), "scaler/scale");
    refuses(foreign_file(grad_scaler(&a, object_text(&a, "much"), 2000, 0)), "expected a number");
    refuses(foreign_file(grad_scaler(&a, object_float(&a, 2), 2000, -1)), "_growth_tracker': out of range (-1 vs");
    refuses(foreign_file(grad_scaler(&a, object_float(&a, 2), 2000, 1 << 24)), "_growth_tracker': out of range");
    Object *without = object_dict(&a, false);
    object_set(&a, without, "scale", object_float(&a, 2));
    refuses(foreign_file(without), "_growth_tracker': is missing");
    arena_free(&a);
}

/* ------------------------------------------------------------------------------------ losing numbers */

/* The step that ends a run whose weights explode, from this scale. */
static int last_step(double scale)
{
    Start s = start_with(OPTIONS("--ranks", "1"), (ScalerState){scale, 0, 0});
    const char *path = test_path("wild.pth.tar"), *at;
    must(training_save(path, s.state, &file_ops_system));
    start_end(&s);
    assert_int_equal(train_with(OPTIONS("--resume", path, "--lr", "1000", "--wd", "10", "--warmup", "0", "--epochs",
                                        "40"), NULL),
                     STATUS_NAN);
    if (!strstr(status_text(), "the loss is not a number: activations overflow fp16 even at loss scale 1 (lr 99"))
        fail_msg("%s", status_text());
    int epoch = atoi(strstr(status_text(), "epoch ") + 6);
    at = strstr(status_text(), "step ");
    return STEPS * (epoch - 1) + atoi(at + 5);
}

/* An overflow at scale 1 ends the run at its step; from a larger scale that comes as many steps later as it is
 * halvings away. */
static void overflow_at_scale_one_ends_the_run(void **state)
{
    (void)state;
    int first = last_step(1);
    printf("overflow in step %d\n", first);
    assert_int_equal(last_step(16), first + 4);
}

/* A loss that is no number counts for nothing where its step was skipped. */
static void lost_losses_count_for_nothing(void **state)
{
    (void)state;
    enum { NUMBERS = BATCH * 3 * 8 * 8 };
    static float images[2][NUMBERS];
    const int32_t labels[BATCH] = {0, 1, 2, 0}, order[BATCH] = {0, 1, 2, 3};
    Options o = OPTIONS("--ranks", "1");
    ModelConfig config = run_config(&o, 3, 8, true, 0);
    config.bytes = false;
    const int64_t counts[] = {3, 2, 1};
    Schedule schedule = schedule_constant(0.01);
    Progress at = {0};
    Run run;
    must(run_open(&config, &(SessionOptions){.device = "ref32"}, &run));
    must(run_begin(&run, &schedule, 0, counts));
    for (int i = 0; i < NUMBERS; i++) {
        images[0][i] = (float)((i * 37 % 101) / 50.0 - 1);
        images[1][i] = 1e6f;
    }
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        bool broken = i == 1;
        must(run_feed(&run, &(RunFeed){images[broken], images[0], DTYPE_F32, labels, NULL, NULL, order}));
        must(run_step(&run, &at));
        must(run_results(&run, &at));
        assert_int_equal(run.skipped, broken);
        assert_true(run.scale == (i < 1 ? SCALER_FIRST : SCALER_FIRST / 2));
        assert_true(!isfinite(run.loss[0]) == broken);
        sum += broken ? 0 : run.loss[0];
        /* The running statistics have seen the images that are infinite: the query side trains without them. */
    }
    assert_int_equal(at.step, 4);
    assert_int_equal(at.overflows, 1);
    assert_int_equal(at.lost, 1);
    assert_true(fabs(progress_loss(&at) - sum / 3) < 1e-12);
    run_close(&run);
    options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_while_the_scale_falls),
        cmocka_unit_test(resumes_while_the_scale_grows),
        cmocka_unit_test(resumes_with_two_ranks),
        cmocka_unit_test(format_may_change),
        cmocka_unit_test(takes_over_a_grad_scaler),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(overflow_at_scale_one_ends_the_run),
        cmocka_unit_test(lost_losses_count_for_nothing),
    };
    const struct CMUnitTest on_devices[] = {
        cmocka_unit_test(resumes_while_the_scale_falls),
        cmocka_unit_test(resumes_while_the_scale_grows),
        cmocka_unit_test(resumes_with_two_ranks),
        cmocka_unit_test(overflow_at_scale_one_ends_the_run),
    };
    const Backend *backend;
    Device *open;
    const char *name = test_device_name();
    bool there = device_open(name, NULL, &backend, &open) == STATUS_OK;
    if (there)
        backend->close(open);
    else
        print_message("skipped: %s\n", status_text());
    bool once = there && getenv("PACO_SHORT");
    if (once)
        device = name;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!there || once)
        return failed;
    device = name;
    return failed + cmocka_run_group_tests_name(device, on_devices, NULL, NULL);
}
