/* Names, the list, and what a folder says by itself. */
#include "state/listing.h"

#include "base/arena.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A step that is saved again (after going back) takes a new name: "step-000000001200-2.pth.tar". */
void generation_name(int64_t step, int copy, char name[STORE_NAME_BYTES])
{
    if (copy > 1)
        snprintf(name, STORE_NAME_BYTES, "step-%012lld-%d" STORE_ENDING, (long long)step, copy);
    else
        snprintf(name, STORE_NAME_BYTES, "step-%012lld" STORE_ENDING, (long long)step);
}

bool generation_parse(const char *name, int64_t *step)
{
    char again[STORE_NAME_BYTES], *end;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return false;
    *step = strtoll(name + 5, &end, 10);
    /* A name is ours where it is written again just so. */
    generation_name(*step, *end == '-' ? atoi(end + 1) : 1, again);
    return strcmp(name, again) == 0;
}

/* Whether a file name is that of a checkpoint that was set aside. */
static bool is_set_aside(const char *name)
{
    char before[STORE_NAME_BYTES];
    int64_t step;
    size_t n = strlen(name), tail = sizeof STORE_DAMAGED - 1;
    if (n <= tail || n - tail >= STORE_NAME_BYTES || strcmp(name + n - tail, STORE_DAMAGED) != 0)
        return false;
    snprintf(before, sizeof before, "%.*s", (int)(n - tail), name);
    return generation_parse(before, &step);
}

void listing_add(Listing *l, const Generation *g, int at)
{
    l->items = mem_grow(l->items, (size_t)(l->count + 1) * sizeof *l->items);
    memmove(l->items + at + 1, l->items + at, (size_t)(l->count - at) * sizeof *l->items);
    l->items[at] = *g;
    l->count++;
}

void listing_drop(Listing *l, int at)
{
    if (strcmp(l->items[at].name, l->best) == 0)
        l->best[0] = 0;
    memmove(l->items + at, l->items + at + 1, (size_t)(l->count - at - 1) * sizeof *l->items);
    l->count--;
}

/* As far as names tell: the later step, or a later copy of the same one ("-10" after "-2"). */
static bool saved_after(const Generation *a, const Generation *b)
{
    size_t n = strlen(a->name), m = strlen(b->name);
    return a->step != b->step ? a->step > b->step : n != m ? n > m : strcmp(a->name, b->name) > 0;
}

int listing_find(const Listing *l, const char *name)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return i;
    return -1;
}

const Generation *listing_newest(const Listing *l)
{
    return &l->items[l->count - 1];
}

void listing_copy(const Listing *from, Listing *to)
{
    *to = *from;
    to->items = mem_alloc((size_t)from->count * sizeof *to->items);
    if (from->count)
        memcpy(to->items, from->items, (size_t)from->count * sizeof *to->items);
}

void listing_free(Listing *l)
{
    free(l->items);
    *l = (Listing){0};
}

Status listing_scan(const char *folder, Listing *l)
{
    /* Listed ones keep the order of the manifest. Unlisted ones take their place among
     * themselves by name. */
    int64_t last = l->count ? l->items[l->count - 1].step : -1;
    int older = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? STATUS_OK
                               : status_fail(STATUS_IO, "%s: folder: %s", folder, strerror(errno));
    for (const struct dirent *e; errno = 0, (e = readdir(dir));) {
        Generation g = {0};
        l->set_aside += is_set_aside(e->d_name);
        if (!generation_parse(e->d_name, &g.step) || listing_find(l, e->d_name) >= 0)
            continue;
        snprintf(g.name, sizeof g.name, "%.63s", e->d_name);
        int at = g.step > last ? l->count : older, first = g.step > last ? l->count - 1 : older - 1;
        while (first >= 0 && !l->items[first].sum.sha[0] && saved_after(&l->items[first], &g))
            at = first--;
        older += g.step <= last;
        listing_add(l, &g, at);
    }
    int error = errno;
    closedir(dir);
    return error ? status_fail(STATUS_IO, "%s: folder: %s", folder, strerror(error)) : STATUS_OK;
}

void listing_take_best(const char *folder, Listing *l)
{
    char *link = file_join(folder, STORE_BEST), name[STORE_NAME_BYTES] = "";
    ssize_t n = readlink(link, name, sizeof name - 1);
    /* A link to something else than a checkpoint here says nothing. */
    if (n > 0 && listing_find(l, name) >= 0)
        snprintf(l->best, sizeof l->best, "%s", name);
    free(link);
}
