/* Types and layout: which values are blocked, and how many bytes each takes. Features have padded
 * lanes like images; what the host or the optimizer sees whole is plain. */
#include "plan/types.h"

#include "base/check.h"
#include "graph/host.h"
#include "plan/passes.h"

Shape shape_of(const Value *value)
{
    Dims d = value->dims;
    CHECKF(d.rank == 2 || d.rank == 4, "%s", value->name);
    return (Shape){(int)d.d[0], (int)d.d[1], d.rank == 4 ? (int)(d.d[2] * d.d[3]) : 1};
}

Layout layout_of(const DeviceInfo *info, const Value *value)
{
    Shape s = shape_of(value);
    int width = device_width(info, s.C);
    return (Layout){.N = s.N,
                    .C = s.C,
                    .HW = s.HW,
                    .block = info->channel_block ? info->channel_block : width,
                    .width = width,
                    .tiles = (width + CHANNEL_TILE - 1) / CHANNEL_TILE,
                    .count = (int64_t)s.N * width * s.HW};
}


/* Bits: whole bytes for each vector of the kernels, which writes its own. */
static int vector_bytes(const DeviceInfo *info)
{
    return (device_lanes(info) + 7) / 8;
}

static uint64_t stored_bytes(const DeviceInfo *info, DType stored, int64_t count)
{
    if (stored == DTYPE_BIT)
        return (uint64_t)(count / device_lanes(info) * vector_bytes(info));
    return (uint64_t)(count * dtype_bytes(stored));
}

uint64_t plan_value_bytes(const Plan *plan, const Value *v)
{
    bool blocked = value_is_image(v) || value_is_features(v);
    int64_t count = blocked ? layout_of(plan->info, v).count : dims_count(v->dims);
    return stored_bytes(plan->info, graph_stored(plan->graph, v), count);
}

void plan_types(Plan *plan)
{
    plan->values_count = plan->graph->values_count;
    plan->values = mem_zero((size_t)plan->values_count, sizeof *plan->values);
    for (int i = 0; i < plan->values_count; i++) {
        Value *v = plan->graph->values[i];
        plan->values[i] = (PlanValue){.value = v,
                                      .blocked = value_is_image(v) || value_is_features(v),
                                      .stored = graph_stored(plan->graph, v),
                                      .over = -1,
                                      .bytes = plan_value_bytes(plan, v)};
    }
}

/* Where element i of the logical tensor lies among the device's elements. */
static int64_t plan_index(const Plan *plan, const PlanValue *v, int64_t i)
{
    if (!v->blocked)
        return i;
    Layout l = layout_of(plan->info, v->value);
    int64_t pixel = i % l.HW, c = i / l.HW % l.C, n = i / l.HW / l.C;
    return ((n * l.width + c / l.block * l.block) * l.HW) + pixel * l.block + c % l.block;
}

static uint8_t *byte_of_bit(const Plan *plan, const void *bytes, int64_t index, int *bit)
{
    int64_t lanes = device_lanes(plan->info), lane = index % lanes;
    *bit = (int)(lane % 8);
    return (uint8_t *)(uintptr_t)bytes + index / lanes * vector_bytes(plan->info) + lane / 8;
}

double plan_element(const Plan *plan, const PlanValue *v, const void *bytes, int64_t i)
{
    int64_t index = plan_index(plan, v, i);
    if (v->stored != DTYPE_BIT)
        return host_get(bytes, v->stored, index);
    int bit;
    const uint8_t *byte = byte_of_bit(plan, bytes, index, &bit);
    return *byte >> bit & 1;
}

void plan_set_element(const Plan *plan, const PlanValue *v, void *bytes, int64_t i, double x)
{
    int64_t index = plan_index(plan, v, i);
    if (v->stored != DTYPE_BIT) {
        host_set(bytes, v->stored, index, x);
        return;
    }
    int bit;
    uint8_t *byte = byte_of_bit(plan, bytes, index, &bit);
    *byte = (uint8_t)((*byte & ~(1 << bit)) | (x != 0) << bit);
}
