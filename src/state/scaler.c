/* The scaler's dict, and the device's floats of it. */
#include "state/scaler.h"

#include "base/log.h"
#include "model/paco.h"

#include <math.h>

Object *scaler_tree(Arena *arena, const ScalerState *s)
{
    Object *dict = object_dict(arena, false);
    object_set(arena, dict, "scale", object_float(arena, s->scale));
    object_set(arena, dict, "growth_factor", object_float(arena, SCALER_RULE.growth));
    object_set(arena, dict, "backoff_factor", object_float(arena, SCALER_RULE.backoff));
    object_set(arena, dict, "growth_interval", object_int(arena, SCALER_RULE.interval));
    object_set(arena, dict, "_growth_tracker", object_int(arena, s->growth));
    return dict;
}

/* The rule of the file, where it says one: a run's own stays. */
static void tell_other_rule(Checkpoint *c)
{
    static const char *const keys[] = {SCALER_KEY "/growth_factor", SCALER_KEY "/backoff_factor",
                                       SCALER_KEY "/growth_interval"};
    const double ours[] = {SCALER_RULE.growth, SCALER_RULE.backoff, SCALER_RULE.interval};
    for (int i = 0; i < 3; i++) {
        double theirs = ours[i];
        if (checkpoint_object(c, keys[i]) && checkpoint_number(c, keys[i], &theirs) == STATUS_OK &&
            theirs != ours[i])
            log_warn("%s: %s is %g there; this run goes on with %g", checkpoint_path(c), keys[i],
                     theirs, ours[i]);
    }
}

Status scaler_read(Checkpoint *c, ScalerState *s, bool *found)
{
    const Object *dict = checkpoint_object(c, SCALER_KEY);
    *s = (ScalerState){0};
    *found = dict && dict->kind == OBJECT_DICT && dict->count > 0;
    if (!*found)
        return STATUS_OK;
    TRY(checkpoint_number(c, SCALER_KEY "/scale", &s->scale));
    TRY(checkpoint_integer(c, SCALER_KEY "/_growth_tracker", &s->growth));
    if (!isnormal((float)s->scale) || s->scale < 0)
        return checkpoint_fail(c, SCALER_KEY "/scale", "is %g (expected a finite number above 0)",
                               s->scale);
    if (s->growth < 0 || s->growth >= SCALER_COUNT_MOST)
        return checkpoint_fail(c, SCALER_KEY "/_growth_tracker", "out of range (%lld vs 0 to %d)",
                               (long long)s->growth, SCALER_COUNT_MOST - 1);
    tell_other_rule(c);
    return STATUS_OK;
}

Status scaler_take(Session *session, const Value *scaler, ScalerState *s)
{
    float x[SCALER_FLOATS];
    TRY(session_read(session, scaler, x, DTYPE_F32));
    *s = (ScalerState){x[SCALER_SCALE], (int64_t)x[SCALER_GROWTH], (int64_t)x[SCALER_SKIPS]};
    return STATUS_OK;
}

Status scaler_put(Session *session, const Value *scaler, const ScalerState *s)
{
    const float x[SCALER_FLOATS] = {[SCALER_SCALE] = (float)s->scale,
                                    [SCALER_GROWTH] = (float)s->growth,
                                    [SCALER_SKIPS] = (float)s->skips};
    return session_write(session, scaler, x, DTYPE_F32);
}
