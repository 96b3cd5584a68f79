/* The table of algorithms: every convolution and matrix product that this backend can make, by
 * name.
 *
 * A row is a method (how it is done, and where it applies) with a tile. What is printed, forced
 * with --kernels, kept by tuning and run are these rows; nothing else knows their names. */
#include "algorithms.h"

#include "conv.h"
#include "gemm.h"

#include "base/check.h"
#include "device/words.h"

#include <math.h>
#include <string.h>

/* Register tiles of processors: pixels x vectors of out-channels, and Algorithm.worth. */
#define REGISTER_TILES(ROW, label, what)                                                          \
    ROW(label, what, 14, 2, 1.0, 0.5)                                                             \
    ROW(label, what, 7, 4, 0.99, 0.5)                                                             \
    ROW(label, what, 8, 2, 0.93, 0.55)                                                            \
    ROW(label, what, 16, 1, 0.93, 0.6)                                                            \
    ROW(label, what, 14, 1, 0.92, 0.65)                                                           \
    ROW(label, what, 7, 2, 0.9, 0.6)                                                              \
    ROW(label, what, 8, 1, 0.8, 0.7)                                                              \
    ROW(label, what, 6, 1, 0.6, 1.0)                                                              \
    ROW(label, what, 4, 1, 0.5, 0.9)
#define DIRECT(label, what, pixels, vectors, wide, narrow)                                        \
    {.family = label,                                                                             \
     .name = label "-" #pixels "x" #vectors,                                                      \
     .method = &what,                                                                             \
     .rows = pixels,                                                                              \
     .vecs = vectors,                                                                             \
     .worth = {wide, narrow}},

/* The same for dot products of pairs: a pixel comes from memory, also for a single vector. */
#define DOT_TILES(ROW, label, what)                                                               \
    ROW(label, what, 14, 2, 1.0, 0)                                                               \
    ROW(label, what, 7, 4, 1.0, 0)                                                                \
    ROW(label, what, 8, 2, 0.99, 0)                                                               \
    ROW(label, what, 16, 1, 0.98, 0)                                                              \
    ROW(label, what, 8, 1, 0.95, 0)

/* Weight gradients of processors: the device decides on the tile. */
#define WEIGHT(place, form)                                                                       \
    {.family = "cpu-weight-" #form,                                                               \
     .name = "cpu-weight-" #form,                                                                 \
     .method = &conv_weight_##form,                                                               \
     .rank = place},

/* Tiles of work-groups of GPUs: rows x columns, and rows of each work-item. A group's work-items
 * are a multiple of its rows: conv_weight_tile relies on it. */
#define CONV_TILES(ROW, label, what)                                                              \
    ROW(label, what, 0, 64, 64, 8)                                                                \
    ROW(label, what, 1, 64, 32, 8)                                                                \
    ROW(label, what, 2, 64, 16, 4)                                                                \
    ROW(label, what, 3, 32, 64, 4)                                                                \
    ROW(label, what, 4, 32, 32, 4)                                                                \
    ROW(label, what, 5, 128, 32, 8)                                                               \
    ROW(label, what, 6, 128, 64, 8)                                                               \
    ROW(label, what, 7, 128, 128, 16)
#define GEMM_TILES(ROW, label, what)                                                              \
    ROW(label, what, 0, 64, 64, 8)                                                                \
    ROW(label, what, 1, 16, 64, 4)                                                                \
    ROW(label, what, 2, 32, 32, 4)                                                                \
    ROW(label, what, 3, 32, 128, 8)                                                               \
    ROW(label, what, 4, 128, 64, 8)                                                               \
    ROW(label, what, 5, 128, 128, 16)
#define GROUPS(label, what, place, tile_rows, columns, each)                                      \
    {.family = label,                                                                             \
     .name = label "-" #tile_rows "x" #columns,                                                   \
     .method = &what,                                                                             \
     .rank = place,                                                                               \
     .rows = tile_rows,                                                                           \
     .vecs = columns / 16,                                                                        \
     .item_rows = each},

#define ALONE(label, what) {.family = label, .name = label, .method = &what},

static const Algorithm table[] = {
    REGISTER_TILES(DIRECT, "cpu-band", conv_band)
    REGISTER_TILES(DIRECT, "cpu-point", conv_point)
    REGISTER_TILES(DIRECT, "cpu-winograd", conv_winograd)
    REGISTER_TILES(DIRECT, "cpu-group", conv_group)
    DOT_TILES(DIRECT, "cpu-dot-band", conv_dot_band)
    DOT_TILES(DIRECT, "cpu-dot-point", conv_dot_point)
    WEIGHT(4, band)
    WEIGHT(3, point)
    WEIGHT(2, winograd)
    WEIGHT(1, dot)
    WEIGHT(0, group)
    CONV_TILES(GROUPS, "gpu-tile", conv_tile)
    CONV_TILES(GROUPS, "gpu-weight-tile", conv_weight_tile)
    ALONE("cpu-gemm", gemm_rows)
    ALONE("cpu-gemm-swapped", gemm_swapped)
    GEMM_TILES(GROUPS, "gpu-gemm", gemm_tile)
    ALONE("clblast", gemm_clblast)
};
enum { TABLE_COUNT = sizeof table / sizeof *table };

/* The operation that a step's algorithm is chosen for. */
static AlgorithmOp op_of(const Step *step)
{
    if (step->kind == STEP_GEMM)
        return ALGORITHM_GEMM;
    return (AlgorithmOp)(step->conv.op == CONV_PACK ? step->conv.packed_for : step->conv.op);
}

static bool serves(const Algorithm *row, AlgorithmOp op)
{
    return row->method->serves >> op & 1;
}

/* The row of a kind that is worth most, of those that apply or of all that serve the operation. */
static const Algorithm *worth_most(const Device *device, const Step *step, bool processor,
                                   bool applying)
{
    const Algorithm *best = NULL;
    double most = -HUGE_VAL;
    for (const Algorithm *row = table; row < table + TABLE_COUNT; row++) {
        const Method *m = row->method;
        if (!serves(row, op_of(step)) || m->processor != processor ||
            (applying && !m->applies(device, step, row)))
            continue;
        double worth = m->worth(device, step, row);
        if (worth > most)
            best = row, most = worth;
    }
    return best;
}

/* Where none applies it is the one that would be wanted, whose `choose` says what it needs. */
static const Algorithm *most_promising(const Device *device, const Step *step, bool processor)
{
    const Algorithm *best = worth_most(device, step, processor, true);
    return best ? best : worth_most(device, step, processor, false);
}

/* The i-th candidate of a kind, NULL behind the last. On GPUs the most promising comes first, so
 * that it is what a family forced without a tile means, whatever the shape; on processors that is
 * the family's first row that applies. What would be mostly idle is left out. */
static const Algorithm *candidate(const Device *device, const Step *step, bool processor, int i)
{
    const Algorithm *first = processor ? NULL : most_promising(device, step, processor);
    if (first && i-- == 0)
        return first;
    for (const Algorithm *row = table; row < table + TABLE_COUNT; row++) {
        const Method *m = row->method;
        if (row != first && serves(row, op_of(step)) && m->processor == processor &&
            m->applies(device, step, row) && !(m->idles && m->idles(step, row)) && i-- == 0)
            return row;
    }
    return NULL;
}

const char *algorithms_candidate(const Device *device, const Step *step, int i)
{
    if (step->kind == STEP_CONV && step->conv.op == CONV_PACK)
        return NULL; /* it takes what its convolution takes */
    const Algorithm *row = candidate(device, step, device->cpu_kernels, i);
    return row ? row->name : NULL;
}

static bool is_called(const Algorithm *row, const char *word, size_t length)
{
    return word_is(word, length, row->family) || word_is(word, length, row->name);
}

/* The name or family that a word is, of those that serve `op`; NULL: there is none. */
static const char *known_name(AlgorithmOp op, const char *word, size_t length)
{
    for (const Algorithm *row = table; row < table + TABLE_COUNT; row++)
        if (serves(row, op) && is_called(row, word, length))
            return word_is(word, length, row->family) ? row->family : row->name;
    return NULL;
}

bool algorithms_force(Device *device, const char *word, size_t length)
{
    for (int op = 0; op < ALGORITHM_OPS; op++) {
        size_t rest;
        const char *value = word_value(
            word, length, op == ALGORITHM_GEMM ? "gemm" : conv_op_key((ConvOp)op), &rest);
        if (!value)
            continue;
        const char *name = known_name((AlgorithmOp)op, value, rest);
        if (name && !device->forced[op])
            device->forced[op] = name;
        return name;
    }
    return false;
}

bool algorithms_forced(const Device *device, AlgorithmOp op, const Method *method)
{
    for (const Algorithm *row = table; device->forced[op] && row < table + TABLE_COUNT; row++)
        if (row->method == method && is_called(row, device->forced[op], strlen(device->forced[op])))
            return true;
    return false;
}

/* The first candidate of either kind that is what was forced, NULL: none is, or none was. */
static const Algorithm *forced(const Device *device, const Step *step)
{
    const char *wanted = device->forced[op_of(step)];
    const Algorithm *row;
    for (int processor = 0; wanted && processor < 2; processor++)
        for (int i = 0; (row = candidate(device, step, processor, i)); i++)
            if (is_called(row, wanted, strlen(wanted)))
                return row;
    return NULL;
}

/* The algorithm that the step names, if it can run here; else the most promising one. */
static const Algorithm *named(const Device *device, const Step *step)
{
    for (const Algorithm *row = table; row < table + TABLE_COUNT; row++)
        if (step->algorithm && !strcmp(step->algorithm, row->name) && serves(row, op_of(step)) &&
            row->method->applies(device, step, row))
            return row;
    return most_promising(device, step, device->cpu_kernels);
}

static Status step_check(const Device *device, const Step *step)
{
    if (step->kind == STEP_CONV && !device->info.channel_block)
        return status_fail(STATUS_USAGE,
                           "opencl: kernels channels-last: convolutions have none (for tests of other operators only)");
    if (step->kind == STEP_CONV)
        return conv_check(step);
    gemm_check(step);
    return STATUS_OK;
}

Status algorithms_choose(const Device *device, Step *step)
{
    TRY(step_check(device, step));
    if (step->kind == STEP_CONV && step->conv.op == CONV_PACK)
        return STATUS_OK; /* named already */
    const Algorithm *row = forced(device, step);
    row = row ? row : named(device, step);
    step->algorithm = row->name;
    return row->method->choose(device, step, row);
}

static Status pack_prepare(const Device *device, const Step *step, Prepared *prepared)
{
    Step convolution = *step;
    convolution.conv.op = step->conv.packed_for;
    const Algorithm *row = named(device, &convolution);
    CHECKF(row->method->pack, "%s: %s packs nothing", step->name, row->name);
    return row->method->pack(device, step, row, prepared);
}

Status algorithms_prepare(const Device *device, const Step *step, Prepared *prepared)
{
    TRY(step_check(device, step));
    if (step->kind == STEP_CONV) {
        CHECKF(!step->packed_bytes || step->packed.buf, "%s: packed weights are missing",
               step->name);
        CHECKF(!step->workspace_bytes || step->workspace.buf, "%s: workspace is missing",
               step->name);
        if (step->conv.op == CONV_PACK)
            return pack_prepare(device, step, prepared);
    }
    const Algorithm *row = named(device, step);
    return row->method->prepare(device, step, row, prepared);
}
