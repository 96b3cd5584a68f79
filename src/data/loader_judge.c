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

/* Sets a mark of BAD_SEEN and BAD_COUNTED; whether it is new. */
static bool mark(Loader *l, uint32_t image, uint8_t how)
{
    if (!l->bad)
        l->bad = mem_zero((size_t)l->spec.data->count, 1);
    bool new = !(l->bad[image] & how);
    l->bad[image] |= how;
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

static Status count(Loader *l, uint32_t image, const char *text)
{
    if (!mark(l, image, BAD_COUNTED))
        return STATUS_OK;
    l->stats.corrupt++;
    return check_limit(l, text);
}

/* Tells the user of an unreadable image, once, and counts it, where the list is shared later. */
static Status note_bad(Loader *l, const Trouble *t)
{
    if (!mark(l, t->image, BAD_SEEN))
        return STATUS_OK;
    log_warn("skipped: %s", t->text);
    if (!l->spec.shared)
        return count(l, t->image, t->text);
    l->found = mem_grow(l->found, (size_t)(l->found_count + 1) * sizeof *l->found);
    l->found[l->found_count++] = (Found){t->image, mem_string(t->text)};
    return STATUS_OK;
}

int loader_bad(Loader *l, uint32_t *images, int room)
{
    int left = l->found_count - l->told, n = left < room ? left : room;
    for (int i = 0; i < n; i++)
        images[i] = l->found[l->told++].image;
    return n;
}

/* Takes out what this loader knows of an image that was told; NULL: nothing. Owned by the caller.
 */
static char *take_found(Loader *l, uint32_t image)
{
    for (int i = 0; i < l->told; i++)
        if (l->found[i].image == image) {
            char *text = l->found[i].text;
            memmove(&l->found[i], &l->found[i + 1],
                    (size_t)(l->found_count - i - 1) * sizeof *l->found);
            l->found_count--;
            l->told--;
            return text;
        }
    return NULL;
}

Status loader_count_bad(Loader *l, uint32_t image)
{
    char name[64];
    if (image >= l->spec.data->count)
        return STATUS_OK;
    snprintf(name, sizeof name, "image %u, in another process", image);
    char *own = take_found(l, image);
    Status status = count(l, image, own ? own : name);
    free(own);
    return status;
}

void loader_free_bad(Loader *l)
{
    for (int i = 0; i < l->found_count; i++)
        free(l->found[i].text);
    free(l->found);
    free(l->bad);
}

Status loader_judge(Loader *l, Slot *slot)
{
    qsort(slot->troubles, (size_t)slot->trouble_count, sizeof *slot->troubles, by_position);
    for (int i = 0; i < slot->trouble_count; i++) {
        const Trouble *t = &slot->troubles[i];
        if (l->spec.on_corrupt == CORRUPT_SKIP)
            TRY(note_bad(l, t));
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
