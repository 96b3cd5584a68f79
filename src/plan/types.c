/* Types and layout: which values are blocked, and how many bytes each takes. Features have padded
 * lanes like images; what the host or the optimizer sees whole is plain. */
#include "plan/types.h"

#include "base/check.h"
#include "plan/passes.h"

int64_t padded(int64_t channels)
{
    return (channels + 15) / 16 * 16;
}

Shape shape_of(const Value *value)
{
    Dims d = value->dims;
    CHECKF(d.rank == 2 || d.rank == 4, "%s", value->name);
    return (Shape){(int)d.d[0], (int)d.d[1], d.rank == 4 ? (int)(d.d[2] * d.d[3]) : 1,
                   (int)(padded(d.d[1]) / 16)};
}

static bool is_blocked(const Value *v)
{
    bool features = v->role == ROLE_ACTIVATION || v->role == ROLE_OUTPUT || v->role == ROLE_STATE;
    return features && (v->dims.rank == 4 || v->dims.rank == 2) && v->dtype != DTYPE_I32;
}

void plan_types(Plan *plan)
{
    plan->values_count = plan->graph->values_count;
    plan->values = mem_zero((size_t)plan->values_count, sizeof *plan->values);
    for (int i = 0; i < plan->values_count; i++) {
        Value *v = plan->graph->values[i];
        int64_t count = dims_count(v->dims);
        bool blocked = is_blocked(v);
        if (blocked)
            count = count / v->dims.d[1] * padded(v->dims.d[1]);
        plan->values[i] = (PlanValue){.value = v, .blocked = blocked, .over = -1,
                                      .bytes = (uint64_t)(count * dtype_bytes(v->dtype))};
    }
}

int64_t plan_index(const PlanValue *v, int64_t i)
{
    if (!v->blocked)
        return i;
    Shape s = shape_of(v->value);
    int64_t pixel = i % s.HW, c = i / s.HW % s.C, n = i / s.HW / s.C;
    return (((n * s.CB + c / 16) * s.HW) + pixel) * 16 + c % 16;
}
