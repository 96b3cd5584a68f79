/* Learning rates as published: the formulas of schedule.h. */
#include "train/schedule.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

static double cosine_lr(const Schedule *s, int epoch)
{
    double span = s->epochs - s->warmup + 1;
    if (epoch < s->warmup)
        return s->lr * (epoch + 1) / s->warmup;
    return 0.5 * s->lr * (1 + cos(3.14159265358979323846 * (epoch - s->warmup + 1) / span));
}

/* The published comparison is epoch <= W, so the rate overshoots once, at epoch W. */
static double cifar_lr(const Schedule *s, int epoch)
{
    if (s->warmup > 0 && epoch <= s->warmup)
        return s->lr * (epoch + 1) / s->warmup;
    if (10LL * epoch > 9LL * s->epochs)
        return s->lr * 0.01;
    if (10LL * epoch > 8LL * s->epochs)
        return s->lr * 0.1;
    return s->lr;
}

double schedule_lr(const Schedule *schedule, int epoch)
{
    CHECKF(epoch >= 0 && epoch < schedule->epochs && schedule->warmup >= 0, "epoch %d of %d", epoch,
           schedule->epochs);
    return schedule->kind == SCHEDULE_CIFAR ? cifar_lr(schedule, epoch)
                                            : cosine_lr(schedule, epoch);
}

Schedule schedule_constant(double lr)
{
    return (Schedule){.kind = SCHEDULE_COSINE, .lr = lr, .epochs = 1, .warmup = 1};
}

int schedule_find(const char *name)
{
    static const char *const names[] = {
#define X(id, word) word,
        SCHEDULE_LIST(X)
#undef X
    };
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

Schedule schedule_of(const Options *o)
{
    return (Schedule){.kind = (ScheduleKind)o->schedule, .lr = o->lr, .epochs = o->epochs,
                      .warmup = o->warmup};
}
