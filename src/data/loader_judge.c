/* What becomes of images that could not be used: counted once each, told to the user, too many of
 * them are a failure. */
#include "data/loader_parts.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_position(const void *a, const void *b)
{
    const Trouble *p = a, *q = b;
    int order = (p->position > q->position) - (p->position < q->position);
    return order ? order : (p->order > q->order) - (p->order < q->order);
}

/* Counts an image, once; whether it is new. */
static bool count_once(Loader *l, uint32_t image)
{
    if (!l->bad)
        l->bad = mem_zero((size_t)l->spec.data->count, 1);
    bool new = !l->bad[image];
    l->bad[image] = 1;
    l->stats.corrupt += new;
    return new;
}

/* Above 1 % of unreadable images it is too much; one is not, however short the list. */
static Status check_limit(const Loader *l, const char *latest)
{
    const Dataset *d = l->spec.data;
    if (l->stats.corrupt <= 1 || l->stats.corrupt * 100 <= d->count)
        return STATUS_OK;
    return status_fail(STATUS_INPUT,
                       "%s: too many unreadable images (%lld of %lld vs at most 1 %%); the "
                       "latest: %s",
                       d->source, (long long)l->stats.corrupt, (long long)d->count, latest);
}

/* Counts an unreadable image and tells the user, once per image. */
static Status count_bad(Loader *l, const Trouble *t)
{
    if (!count_once(l, t->image))
        return STATUS_OK;
    l->fresh = mem_grow(l->fresh, (size_t)(l->fresh_count + 1) * sizeof *l->fresh);
    l->fresh[l->fresh_count++] = t->image;
    log_warn("skipped: %s", t->text);
    return check_limit(l, t->text);
}

Status loader_count_bad(Loader *l, uint32_t image)
{
    char name[64];
    snprintf(name, sizeof name, "image %u, in another process", image);
    return image < l->spec.data->count && count_once(l, image) ? check_limit(l, name) : STATUS_OK;
}

int loader_bad(Loader *l, uint32_t *images, int room)
{
    int count = l->fresh_count < room ? l->fresh_count : room;
    l->fresh_count -= count;
    for (int i = 0; i < count; i++)
        images[i] = l->fresh[l->fresh_count + i];
    return count;
}

Status loader_judge(Loader *l, Slot *slot)
{
    qsort(slot->troubles, (size_t)slot->trouble_count, sizeof *slot->troubles, by_position);
    for (int i = 0; i < slot->trouble_count; i++) {
        const Trouble *t = &slot->troubles[i];
        if (l->spec.on_corrupt == CORRUPT_SKIP)
            TRY(count_bad(l, t));
        if (t->fatal)
            return status_fail(t->status, "%s", t->text);
        l->stats.skipped += t->order == 0 && slot->jobs[t->position].query >= 0;
    }
    return STATUS_OK;
}

/* Moves image `from` of a batch of LOADER_EVAL to place `to`. */
static void move_image(const Loader *l, Slot *slot, int to, int from)
{
    size_t bytes = l->view_bytes;
    if (to == from)
        return;
    memcpy(slot->query + (size_t)to * bytes, slot->query + (size_t)from * bytes, bytes);
    slot->labels[to] = slot->labels[from];
    slot->samples[to] = slot->samples[from];
}

/* The troubles are in order of position, one each. */
void loader_leave_out(const Loader *l, Slot *slot)
{
    int n = 0, trouble = 0;
    for (int i = 0; i < slot->batch.n; i++)
        if (trouble < slot->trouble_count && slot->troubles[trouble].position == i)
            trouble++;
        else
            move_image(l, slot, n++, i);
    slot->batch.n = n;
}
