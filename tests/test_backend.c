/* The backend around its kernels: registry, opening, memory, COPY, FILL, table kernels, cache on
 * disk, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_device.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "device/kernels.h"
#include "device/registry.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static TestDevice device;

static void registry_lists(void **state)
{
    (void)state;
    assert_true(registry_count() >= 1);
    const BackendRow *row = NULL;
    for (int i = 0; i < registry_count(); i++)
        if (registry_row(i)->backend == device.backend)
            row = registry_row(i);
    assert_non_null(row);
    assert_true(row->devices > 0);
    assert_string_equal(row->why, "");
    DeviceInfo info;
    assert_int_equal(row->backend->info(0, &info), STATUS_OK);
    assert_true(info.memory > 0 && info.max_alloc > 0 && info.units > 0 && info.name[0] &&
                info.driver[0]);
    assert_int_equal(row->backend->info(99, &info), STATUS_DEVICE);
}

static void registry_refuses(void **state)
{
    (void)state;
    test_needs_opencl();
    const Backend *backend;
    Device *opened;
    assert_int_equal(device_open("vulkan", NULL, &backend, &opened), STATUS_USAGE);
    assert_int_equal(device_open("opencl:x", NULL, &backend, &opened), STATUS_USAGE);
    assert_int_equal(device_open("opencl:77", NULL, &backend, &opened), STATUS_DEVICE);
    assert_non_null(strstr(status_text(), "opencl:77"));
    DeviceOptions bad = {.kernels = "fast"};
    assert_int_equal(device_open("opencl", &bad, &backend, &opened), STATUS_USAGE);
    assert_non_null(strstr(status_text(), "fast")); /* the module's text arrives here */
    /* No such algorithm, tile, or none of this operation. */
    static const char *const unknown[] = {"cpu,conv.forward=quick", "conv.forward=cpu-band-99x9",
                                          "conv.forward=cpu",       "conv.forward=cpu-weight-band",
                                          "conv.pack=cpu-band",     "gemm=",
                                          "gemm=cpu-gemm,,gpu",     "teams=none"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        DeviceOptions options = {.kernels = unknown[i]};
        assert_int_equal(device_open("opencl", &options, &backend, &opened), STATUS_USAGE);
    }
}

static void auto_opens(void **state)
{
    (void)state;
    const Backend *backend;
    Device *opened;
    assert_int_equal(device_open("auto", NULL, &backend, &opened), STATUS_OK);
    backend->close(opened);
}

/* Threads are the cores of a processor; other devices keep all of their units. */
static void threads_limit_processors(void **state)
{
    (void)state;
    const Backend *backend;
    Device *opened;
    assert_int_equal(device_open(test_device_name(), NULL, &backend, &opened), STATUS_OK);
    DeviceInfo whole = *backend->opened(opened);
    backend->close(opened);
    DeviceOptions one = {.threads = 1};
    assert_int_equal(device_open(test_device_name(), &one, &backend, &opened), STATUS_OK);
    assert_int_equal(backend->opened(opened)->units, whole.caps & CAP_CPU ? 1 : whole.units);
    backend->close(opened);
}

static void memory_keeps_bytes(void **state)
{
    (void)state;
    Rng rng = rng_stream(1, 0, 0, RNG_TEST);
    float *values = random_floats(&rng, 1000), seen[1000];
    Operand o = operand_new(&device, values, 1000, false);
    operand_read(&device, &o, seen);
    assert_memory_equal(values, seen, sizeof seen);
    assert_int_equal(
        device.backend->read(device.device, seen, (Ref){o.ref.buf, o.ref.off + 400}, 40),
        STATUS_OK);
    assert_memory_equal(values + 100, seen, 40);
    operand_free(&device, &o);
    free(values);
}

static void too_much_is_a_limit(void **state)
{
    (void)state;
    Buffer *buffer;
    uint64_t limit = device.backend->opened(device.device)->max_alloc;
    assert_int_equal(device.backend->alloc(device.device, limit + 4096, &buffer), STATUS_LIMIT);
    assert_non_null(strstr(status_text(), "MiB"));
    assert_null(buffer);
}

static void check(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

static void run_one(Step *step)
{
    assert_int_equal(device.backend->choose(device.device, step), STATUS_OK);
    assert_int_equal(device.backend->prepare(device.device, step), STATUS_OK);
    assert_int_equal(device.backend->run(device.device, step, 1), STATUS_OK);
    assert_int_equal(device.backend->sync(device.device), STATUS_OK);
    device.backend->discard(device.device, step);
}

static void copy_and_fill(void **state)
{
    (void)state;
    Rng rng = rng_stream(2, 0, 0, RNG_TEST);
    float *values = random_floats(&rng, 333), seen[333];
    Operand from = operand_new(&device, values, 333, false),
            to = operand_new(&device, NULL, 333, true);
    Step copy = {.kind = STEP_COPY,
                 .refs_count = 2,
                 .refs = {from.ref, to.ref},
                 .writes = 2,
                 .bytes = 333 * 4,
                 .name = "copy"};
    run_one(&copy);
    operand_read(&device, &to, seen);
    assert_memory_equal(values, seen, sizeof seen);
    Step fill = {.kind = STEP_FILL,
                 .refs_count = 1,
                 .refs = {{to.ref.buf, to.ref.off + 4}},
                 .writes = 1,
                 .bytes = 331 * 4,
                 .name = "fill",
                 .fill = {0x3f800000}};
    run_one(&fill);
    operand_read(&device, &to, seen);
    for (int i = 0; i < 333; i++)
        assert_true(seen[i] == (i == 0 || i == 332 ? values[i] : 1.0f));
    operand_free(&device, &from);
    operand_free(&device, &to);
    free(values);
}

/* ---- nothing waits: rounds of writes, steps and late reads, several of them on their way */

enum { PIECES = 24, PIECE = 16, WIDE = 40000, LAG = 3, ROUNDS = 24 };

typedef struct Flow {
    Operand in, wide_in, out, wide_out;
    Step steps[3];
    int tickets[ROUNDS][2];
} Flow;

static float flow_value(int round, int i)
{
    return (float)(round * 1000003 % 4099 + i);
}

static Step flow_copy(const Operand *from, const Operand *to)
{
    return (Step){.kind = STEP_COPY, .refs_count = 2, .refs = {from->ref, to->ref}, .writes = 2,
                  .bytes = (int64_t)from->count * 4, .name = "copy"};
}

static void flow_prepare(Flow *f, const Operand *out, const Operand *wide_out)
{
    const Ref last = {out->ref.buf, out->ref.off + (PIECES * PIECE - 1) * 4};
    f->steps[0] = flow_copy(&f->in, out);
    f->steps[1] = flow_copy(&f->wide_in, wide_out);
    f->steps[2] = (Step){.kind = STEP_FILL, .refs_count = 1, .refs = {last}, .writes = 1, .bytes = 4, .name = "fill",
                         .fill = {0x3f800000}};
    for (int i = 0; i < 3; i++) {
        check(device.backend->choose(device.device, &f->steps[i]));
        check(device.backend->prepare(device.device, &f->steps[i]));
    }
}

/* Host memory is one for all writes: each must have been taken when write returns. */
static void flow_write(const Flow *f, int round)
{
    static float host[WIDE];
    for (int p = 0; p < PIECES; p++) {
        for (int i = 0; i < PIECE; i++)
            host[i] = flow_value(round, p * PIECE + i);
        const Ref to = {f->in.ref.buf, f->in.ref.off + (uint64_t)(p * PIECE) * 4};
        check(device.backend->write(device.device, to, host, PIECE * 4));
    }
    for (int i = 0; i < WIDE; i++)
        host[i] = flow_value(round, i);
    check(device.backend->write(device.device, f->wide_in.ref, host, WIDE * 4));
}

static void flow_run(Flow *f, int round)
{
    flow_write(f, round);
    check(device.backend->run(device.device, f->steps, 3));
}

static void flow_check(const float *out, const float *wide, int round)
{
    for (int i = 0; i < PIECES * PIECE; i++)
        assert_true(out[i] == (i == PIECES * PIECE - 1 ? 1.0f : flow_value(round, i)));
    for (int i = 0; i < WIDE; i++)
        assert_true(wide[i] == flow_value(round, i));
}

/* What ran as part of a longer range runs alone. */
static void flow_part(Flow *f, int round, float *out, float *wide)
{
    flow_write(f, round);
    check(device.backend->run(device.device, f->steps, 1));
    operand_read(&device, &f->out, out);
    operand_read(&device, &f->wide_out, wide);
    for (int i = 0; i < PIECES * PIECE; i++)
        assert_true(out[i] == flow_value(round, i));
    for (int i = 0; i < WIDE; i++)
        assert_true(wide[i] == flow_value(round - 1, i));
}

static void nothing_waits(void **state)
{
    (void)state;
    static float out[PIECES * PIECE], wide[WIDE];
    const size_t few = PIECES * PIECE;
    Flow f = {operand_new(&device, NULL, few, true), operand_new(&device, NULL, WIDE, true),
              operand_new(&device, NULL, few, true), operand_new(&device, NULL, WIDE, true), {{0}}, {{0}}};
    Operand other = operand_new(&device, NULL, few, true), other_wide = operand_new(&device, NULL, WIDE, true);
    flow_prepare(&f, &f.out, &f.wide_out);
    for (int round = 0; round < ROUNDS + LAG; round++) {
        if (round < ROUNDS) {
            flow_run(&f, round);
            check(device.backend->fetch(device.device, f.out.ref, sizeof out, &f.tickets[round][0]));
            check(device.backend->fetch(device.device, f.wide_out.ref, sizeof wide, &f.tickets[round][1]));
        }
        if (round < LAG)
            continue;
        int late = round - LAG; /* in any order */
        check(device.backend->wait(device.device, f.tickets[late][late % 2], late % 2 ? wide : out));
        check(device.backend->wait(device.device, f.tickets[late][1 - late % 2], late % 2 ? out : wide));
        flow_check(out, wide, late);
    }
    flow_part(&f, ROUNDS, out, wide);
    /* Other steps at the same place of the host's memory. */
    for (int i = 0; i < 3; i++)
        device.backend->discard(device.device, &f.steps[i]);
    flow_prepare(&f, &other, &other_wide);
    flow_run(&f, ROUNDS);
    operand_read(&device, &other, out);
    operand_read(&device, &other_wide, wide);
    flow_check(out, wide, ROUNDS);
    for (int i = 0; i < 3; i++)
        device.backend->discard(device.device, &f.steps[i]);
    Operand *all[] = {&f.in, &f.wide_in, &f.out, &f.wide_out, &other, &other_wide};
    for (int i = 0; i < 6; i++)
        operand_free(&device, all[i]);
}

/* A device may be closed while late reads are on their way. */
static void closes_with_fetches(void **state)
{
    (void)state;
    TestDevice t = test_device_open(NULL, false);
    Operand o = operand_new(&t, NULL, WIDE, true);
    int ticket;
    for (int i = 0; i < 8; i++)
        check(t.backend->fetch(t.device, o.ref, WIDE * 4, &ticket));
    operand_free(&t, &o);
    test_device_close(&t);
}

/* Half of what a step wrote is mapped, seen and changed by the host while the other half is written anew. */
static void maps_in_order(void **state)
{
    (void)state;
    static float out[WIDE];
    const uint64_t half = WIDE / 2 * 4;
    const DeviceInfo *info = device.backend->opened(device.device);
    if (!device.backend->map || !(info->caps & CAP_UNIFIED_MEMORY))
        skip();
    Operand o = operand_new(&device, NULL, WIDE, true);
    const Ref second = {o.ref.buf, o.ref.off + half};
    Step fills[] = {{.kind = STEP_FILL, .refs_count = 1, .refs = {o.ref}, .writes = 1, .bytes = 2 * (int64_t)half,
                     .name = "fill", .fill = {1}},
                    {.kind = STEP_FILL, .refs_count = 1, .refs = {second}, .writes = 1, .bytes = (int64_t)half,
                     .name = "fill", .fill = {2}}};
    for (int i = 0; i < 2; i++)
        check(device.backend->prepare(device.device, &fills[i]));
    for (int round = 0; round < ROUNDS; round++) {
        int ticket;
        void *at;
        check(device.backend->run(device.device, fills, 1));
        check(device.backend->map(device.device, o.ref, half, &ticket));
        check(device.backend->run(device.device, fills + 1, 1));
        check(device.backend->mapped(device.device, ticket, &at));
        for (int i = 0; i < WIDE / 2; i++) {
            assert_int_equal(((int32_t *)at)[i], 1);
            ((int32_t *)at)[i] = round + i;
        }
        check(device.backend->unmap(device.device, ticket));
        operand_read(&device, &o, out);
        for (int i = 0; i < WIDE; i++) {
            int32_t seen;
            memcpy(&seen, &out[i], 4);
            assert_int_equal(seen, i < WIDE / 2 ? round + i : 2);
        }
    }
    for (int i = 0; i < 2; i++)
        device.backend->discard(device.device, &fills[i]);
    operand_free(&device, &o);
}

/* The kernel `add` through a device. */
static void add_on(TestDevice *t, size_t n)
{
    Rng rng = rng_stream(3, 0, n, RNG_TEST);
    float *values = random_floats(&rng, n), *seen = mem_alloc(n * 4);
    Operand x = operand_new(t, values, n, false), y = operand_new(t, NULL, n, false);
    RangeArgs args = {.n = (long)n, .chunk = 112};
    Step step = {.kind = STEP_KERNEL,
                 .refs_count = 3,
                 .refs = {x.ref, x.ref, y.ref},
                 .writes = 4,
                 .name = "add",
                 .kernel = {.id = KERNEL_add,
                            .global = {(uint32_t)(n + 111) / 112, 1, 1},
                            .args_bytes = sizeof args}};
    memcpy(step.kernel.args, &args, sizeof args);
    step_check_twice(t, &step, &y, NULL, seen);
    for (size_t i = 0; i < n; i++)
        assert_true(seen[i] == 2 * values[i]);
    operand_free(t, &x);
    operand_free(t, &y);
    free(values);
    free(seen);
}

static void table_kernel(void **state)
{
    (void)state;
    add_on(&device, 1);
    add_on(&device, 1003);
}

/* The kernel that measures the peak: every item has a place of its own, with any number of chains. */
static void peak_kernel(void **state)
{
    (void)state;
    const int items = 2100, lanes = device.backend->opened(device.device)->caps & CAP_CPU ? 16 : 4;
    size_t count = (size_t)(items * lanes);
    float *seen = mem_alloc(count * sizeof *seen);
    Operand y = operand_new(&device, NULL, count, true);
    for (int chains = 4; chains <= 16; chains *= 2) {
        RangeArgs args = {.n = 1, .chunk = chains, .a = 2, .b = 1};
        Step step = {.kind = STEP_KERNEL, .refs_count = 1, .refs = {y.ref}, .writes = 1, .name = "peak",
                     .kernel = {.id = KERNEL_peak_fma, .global = {(uint32_t)items, 1, 1}, .args_bytes = sizeof args}};
        memcpy(step.kernel.args, &args, sizeof args);
        step_check_twice(&device, &step, &y, NULL, seen);
        for (int i = 0; i < items * lanes; i++)
            assert_true(seen[i] == chains * (2 * (i / lanes % 7) + chains));
    }
    operand_free(&device, &y);
    free(seen);
}

/* Flips a byte in every file of the folder; returns how many there are. */
static int damage(const char *folder, bool cut)
{
    DIR *dir = opendir(folder);
    int count = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        char *path = file_join(folder, e->d_name);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        fseek(file, 0, SEEK_END);
        long size = ftell(file);
        if (cut) {
            assert_int_equal(ftruncate(fileno(file), size / 2), 0);
        } else {
            fseek(file, size / 2, SEEK_SET);
            int byte = fgetc(file);
            fseek(file, size / 2, SEEK_SET);
            fputc(byte ^ 0x55, file);
        }
        fclose(file);
        free(path);
        count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char *path = file_join(folder, e->d_name);
        remove(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* Built, loaded, damaged and cut cache files all give a working kernel. */
static void cache_survives_damage(void **state)
{
    (void)state;
    test_needs_opencl();
    char folder[] = "/tmp/paco-cache-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int round = 0; round < 4; round++) {
        DeviceOptions options = {.cache = folder};
        TestDevice t;
        assert_int_equal(device_open(test_device_name(), &options, &t.backend, &t.device), STATUS_OK);
        add_on(&t, 77);
        t.backend->close(t.device);
        if (round > 0)
            assert_true(damage(folder, round == 2) >= 1);
    }
    remove_folder(folder);
}

static void profile_gives_times(void **state)
{
    (void)state;
    TestDevice t = test_device_open(NULL, true);
    Operand to = operand_new(&t, NULL, 1 << 20, true);
    Step fill = {.kind = STEP_FILL,
                 .refs_count = 1,
                 .refs = {to.ref},
                 .writes = 1,
                 .bytes = 4 << 20,
                 .name = "fill"};
    double seconds = -1;
    assert_int_equal(t.backend->prepare(t.device, &fill), STATUS_OK);
    assert_int_equal(t.backend->run(t.device, &fill, 1), STATUS_OK);
    assert_int_equal(t.backend->elapsed(t.device, &fill, &seconds), STATUS_OK);
    assert_true(isfinite(seconds) && seconds >= 0);
    t.backend->discard(t.device, &fill);
    operand_free(&t, &to);
    test_device_close(&t);
}

/* What a launch costs: PACO_BENCH=1. */
static int bench(void)
{
    enum { LAUNCHES = 2000 };
    Operand x = operand_new(&device, NULL, 64, true);
    Step *steps = mem_zero(LAUNCHES, sizeof *steps);
    RangeArgs args = {.n = 64, .chunk = 32};
    for (int i = 0; i < LAUNCHES; i++) {
        steps[i] =
            (Step){.kind = STEP_KERNEL,
                   .refs_count = 3,
                   .refs = {x.ref, x.ref, x.ref},
                   .writes = 4,
                   .name = "add",
                   .kernel = {.id = KERNEL_add, .global = {2, 1, 1}, .args_bytes = sizeof args}};
        memcpy(steps[i].kernel.args, &args, sizeof args);
        device.backend->prepare(device.device, &steps[i]);
    }
    for (int run = 0; run < 5; run++) {
        double start = clock_seconds();
        device.backend->run(device.device, steps, LAUNCHES);
        double queued = clock_seconds() - start;
        device.backend->sync(device.device);
        printf("%.1f us a launch, of these %.1f us to enqueue\n",
               (clock_seconds() - start) * 1e6 / LAUNCHES, queued * 1e6 / LAUNCHES);
    }
    for (int i = 0; i < LAUNCHES; i++)
        device.backend->discard(device.device, &steps[i]);
    free(steps);
    operand_free(&device, &x);
    return 0;
}

int main(void)
{
    device = test_device_open(NULL, false);
    if (getenv("PACO_BENCH"))
        return bench();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_lists),
        cmocka_unit_test(registry_refuses),
        cmocka_unit_test(auto_opens),
        cmocka_unit_test(threads_limit_processors),
        cmocka_unit_test(memory_keeps_bytes),
        cmocka_unit_test(too_much_is_a_limit),
        cmocka_unit_test(copy_and_fill),
        cmocka_unit_test(nothing_waits),
        cmocka_unit_test(closes_with_fetches),
        cmocka_unit_test(maps_in_order),
        cmocka_unit_test(table_kernel),
        cmocka_unit_test(peak_kernel),
        cmocka_unit_test(cache_survives_damage),
        cmocka_unit_test(profile_gives_times),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_device_close(&device);
    return failed;
}
