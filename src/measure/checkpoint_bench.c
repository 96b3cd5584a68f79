/* The checkpoint has both encoders, and the momentum of the trained one: what makes up its size. */
#include "measure/checkpoint_bench.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "model/resnet.h"
#include "state/training.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

typedef struct Figures {
    double seconds;
    int64_t tensors; /* bytes */
} Figures;

typedef Status BenchMode(const char *file, const char *arch, Figures *figures);

static void fill(Arena *arena, ModelTensor *t)
{
    size_t bytes = tensors_bytes(t), elements = bytes / element_bytes(t->type);
    float *values = t->data = arena_alloc(arena, bytes);
    for (size_t i = 0; t->type == ELEMENT_FLOAT32 && i < elements; i++)
        values[i] = (float)((uint32_t)i * 2654435761u >> 8) * 0x1p-24f;
}

/* Both encoders of a network. */
static void list_tensors(TensorList *list, Graph *graph, const Arch *arch)
{
    int size = arch_least_size(arch);
    Value *image = graph_value(graph, "image", ROLE_INPUT, DTYPE_F32, DIMS4(1, 3, size, size));
    Net query = {graph, arch, NET_QUERY}, key = {graph, arch, NET_KEY};
    net_pooled(&query, image);
    net_pooled(&key, image);
    tensors_add_side(list, graph, "encoder_q.", false);
    tensors_add_side(list, graph, "encoder_q.", true);
}

/* The state's tensors live in the arena. */
static Status make_state(Arena *arena, const char *name, bool values, TrainingState *s)
{
    const Arch *arch = arch_find(name);
    if (!arch)
        return status_fail(STATUS_INPUT, "architecture '%s' is not known (resnet50, resnet32, ...)",
                           name);
    TensorList list = {0};
    Graph *graph = graph_new();
    list_tensors(&list, graph, arch);
    *s = (TrainingState){.kind = TRAINING_LT, .arch = name, .lr = 0.1, .momentum = 0.9};
    s->count = list.count;
    s->tensors = arena_copy(arena, list.items, (size_t)list.count * sizeof *list.items);
    for (int i = 0; i < s->count; i++) {
        ModelTensor *t = &s->tensors[i];
        bool query = t->value && !t->value->of;
        t->name = arena_printf(arena, "%s", t->name);
        if (values)
            fill(arena, t);
        t->momentum = t->parameter && query ? t->data : NULL;
        t->value = NULL;
    }
    tensors_free(&list);
    graph_free(graph);
    return STATUS_OK;
}

static Status bench_write(const char *file, const char *arch, Figures *figures)
{
    Arena arena = {0};
    TrainingState state;
    Status status = make_state(&arena, arch, true, &state);
    double started = clock_seconds();
    if (status == STATUS_OK)
        status = training_save(file, &state, &file_ops_system);
    figures->seconds = clock_seconds() - started;
    arena_free(&arena);
    return status;
}

static Status bench_read(const char *file, const char *arch, Figures *figures)
{
    Arena arena = {0};
    TrainingState expected;
    TrainingLoad load = {0};
    Status status = make_state(&arena, arch, false, &expected);
    double started = clock_seconds();
    if (status == STATUS_OK)
        status = training_load(file, &expected, NULL, &load);
    figures->seconds = clock_seconds() - started;
    for (uint32_t i = 0; status == STATUS_OK && i < checkpoint_count(load.checkpoint); i++) {
        const CheckpointTensor *t = checkpoint_tensor(load.checkpoint, i);
        figures->tensors += (int64_t)checkpoint_tensor_bytes(t, t->tensor->type);
    }
    training_load_free(&load);
    arena_free(&arena);
    return status;
}

static Status bench_crc(const char *file, const char *arch, Figures *figures)
{
    enum { CHUNK = 256 * 1024 };
    static uint8_t buffer[CHUNK];
    (void)arch;
    double started = clock_seconds();
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    uLong crc = 0;
    ssize_t n = fd < 0 ? -1 : 0;
    while (fd >= 0 && (n = read(fd, buffer, CHUNK)) > 0)
        crc = crc32(crc, buffer, (uInt)n);
    Status status =
        n < 0 ? status_fail(STATUS_IO, "%s: file@0: cannot read: %s", file, strerror(errno))
              : STATUS_OK;
    if (fd >= 0)
        close(fd);
    figures->seconds = clock_seconds() - started;
    return status;
}

Status checkpoint_bench_run(const char *mode, const char *file, const char *arch, FILE *out)
{
    static const struct {
        const char *name;
        BenchMode *run;
    } modes[] = {{"write", bench_write}, {"read", bench_read}, {"crc", bench_crc}};
    enum { MODES = sizeof modes / sizeof *modes };
    int m = 0;
    while (m < MODES && strcmp(modes[m].name, mode) != 0)
        m++;
    if (m == MODES)
        return status_fail(STATUS_USAGE,
                           "bench checkpoint: unknown mode '%.60s'. Modes: write, read, crc", mode);
    Figures figures = {0};
    int64_t idle = clock_peak_memory();
    TRY(modes[m].run(file, arch, &figures));
    JsonWriter w = {.file = out};
    json_begin_object(&w, NULL, JSON_LINE);
    json_put_text(&w, "mode", mode);
    json_put_fixed(&w, "ms_median", 1e3 * figures.seconds, 3);
    json_put_fixed(&w, "peak_mib", (double)(clock_peak_memory() - idle) / (1 << 20), 1);
    json_put_fixed(&w, "tensors_mib", (double)figures.tensors / (1 << 20), 1);
    json_end(&w);
    fputc('\n', out);
    return STATUS_OK;
}
