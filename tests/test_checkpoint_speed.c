/* Speed and memory of reading a training checkpoint of a ResNet-50's size: against reading the
 * bytes of the file once and computing their CRC with zlib. By default a ResNet-18 and the memory
 * only; PACO_FULL=1 takes the ResNet-50 (about 300 MB) and asserts the time. Each measurement is a
 * process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "checkpoint/detect.h"
#include "checkpoint/training.h"
#include "support_checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

typedef struct Measured {
    double seconds;
    int64_t memory, tensors; /* bytes: peak above the start, and of the tensors */
} Measured;

static char *folder, *path;
static const char *self;

/* Encoders, their momentum, classifiers and a queue; elements come from one buffer of zeros and
 * ones. */
static TrainingState make_state(Arena *arena, const char *arch, bool values)
{
    TrainingState s = {.kind = TRAINING_LT, .arch = arch, .lr = 0.1, .momentum = 0.9};
    WantedTensor *wanted;
    int count;
    if (detect_tensors(arena, arch, "", 0, &wanted, &count) != STATUS_OK)
        fail_msg("%s", status_text());
    s.tensors = arena_alloc(arena, (size_t)(2 * count + 10) * sizeof *s.tensors);
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < count; i++) {
            TrainingTensor *t = &s.tensors[s.count++];
            size_t elements = 1;
            *t = (TrainingTensor){
                .name = arena_printf(arena, "encoder_%c.%s", side ? 'k' : 'q', wanted[i].name),
                .type = wanted[i].type,
                .rank = wanted[i].rank};
            for (int d = 0; d < t->rank; d++)
                elements *= (size_t)(t->shape[d] = wanted[i].shape[d]);
            t->parameter = t->type == ELEMENT_FLOAT32 && !strstr(t->name, "running_");
            if (!values)
                continue;
            t->data = malloc(elements * element_bytes(t->type));
            for (size_t k = 0; k < elements * element_bytes(t->type); k++)
                ((uint8_t *)t->data)[k] = (uint8_t)(k * 2654435761u >> 13);
            if (t->parameter && side == 0)
                t->momentum = t->data;
        }
    return s;
}

static long peak_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static int report(double seconds, long before, int64_t tensors)
{
    printf("%.9f %lld %lld\n", seconds, (long long)(peak_memory() - before) * 1024,
           (long long)tensors);
    return 0;
}

/* Child: all tensors into memory of their own, as training_load does. */
static int measure_load(const char *file, const char *arch)
{
    Arena arena = {0};
    TrainingState expected = make_state(&arena, arch, false);
    TrainingLoad load;
    int64_t bytes = 0;
    long before = peak_memory();
    double start = clock_seconds();
    if (training_load(file, &expected, NULL, &load) != STATUS_OK) {
        fprintf(stderr, "%s\n", status_text());
        return 1;
    }
    double seconds = clock_seconds() - start;
    for (uint32_t i = 0; i < checkpoint_count(load.checkpoint); i++) {
        const CheckpointTensor *t = checkpoint_tensor(load.checkpoint, i);
        bytes += (int64_t)checkpoint_tensor_bytes(t, t->tensor->type);
    }
    int code = report(seconds, before, bytes);
    training_load_free(&load);
    arena_free(&arena);
    return code;
}

/* Child: the yardstick: all bytes of the file once, through zlib's crc32. */
static int measure_crc(const char *file)
{
    enum { CHUNK = 256 * 1024 };
    static uint8_t buffer[CHUNK];
    long before = peak_memory();
    double start = clock_seconds();
    int fd = open(file, O_RDONLY);
    uint32_t crc = 0;
    for (ssize_t n; (n = read(fd, buffer, CHUNK)) > 0;)
        crc = (uint32_t)crc32(crc, buffer, (uInt)n);
    close(fd);
    return report(clock_seconds() - start, before, crc & 1);
}

static Measured measure(const char *what, const char *arch)
{
    Measured m = {0};
    char command[8192];
    long long memory, tensors;
    snprintf(command, sizeof command, "'%s' %s '%s' %s", self, what, path, arch);
    FILE *pipe = popen(command, "r");
    if (!pipe || fscanf(pipe, "%lf %lld %lld", &m.seconds, &memory, &tensors) != 3 ||
        pclose(pipe) != 0)
        fail_msg("%s", command);
    m.memory = memory;
    m.tensors = tensors;
    return m;
}

static void reading_is_as_fast_as_a_crc(void **state)
{
    (void)state;
    const char *arch = full_mode() ? "resnet50" : "resnet18";
    Arena arena = {0};
    TrainingState s = make_state(&arena, arch, true);
    double start = clock_seconds();
    assert_int_equal(training_save(path, &s, &file_ops_system), STATUS_OK);
    double writing = clock_seconds() - start;
    for (int i = 0; i < s.count; i++)
        free(s.tensors[i].data);
    arena_free(&arena);
    Measured load = {0}, crc = {0};
    for (int i = 0; i < (full_mode() ? 7 : 3); i++) {
        Measured a = measure("crc", arch), b = measure("load", arch);
        crc = i == 0 || a.seconds < crc.seconds ? a : crc;
        load = i == 0 || b.seconds < load.seconds ? b : load;
    }
    print_message(
        "%s: %lld MiB of tensors written in %.3f s; read in %.3f s, crc alone %.3f s (ratio %.3f); "
        "memory beyond the tensors %.1f MiB\n",
        arch, (long long)load.tensors >> 20, writing, load.seconds, crc.seconds,
        load.seconds / crc.seconds, (double)(load.memory - load.tensors) / (1 << 20));
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(load.memory < load.tensors + (64 << 20));
#endif
    assert_true(!full_mode() || load.seconds <= 1.2 * crc.seconds);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading_is_as_fast_as_a_crc)};
    self = argv[0];
    if (argc == 4)
        return strcmp(argv[1], "load") == 0 ? measure_load(argv[2], argv[3]) : measure_crc(argv[2]);
    folder = temporary_folder();
    path = file_join(folder, "speed.pth.tar");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    free(folder);
    free(path);
    return failed;
}
