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

#define TRAINED "-trained"

/* A step that is saved again (after going back) takes a new name: "step-000000001200-2.pth.tar". */
void generation_name(Generation *g, int copy)
{
    char again[16] = "";
    if (copy > 1)
        snprintf(again, sizeof again, "-%d", copy);
    snprintf(g->name, STORE_NAME_BYTES, "step-%012lld%s%s" STORE_ENDING, (long long)g->step,
             g->trained ? TRAINED : "", again);
}

bool generation_parse(const char *name, Generation *g)
{
    char *end;
    *g = (Generation){0};
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return false;
    g->step = strtoll(name + 5, &end, 10);
    g->trained = strncmp(end, TRAINED, strlen(TRAINED)) == 0;
    end += g->trained ? strlen(TRAINED) : 0;
    /* A name is ours where it is written again just so. */
    generation_name(g, *end == '-' ? atoi(end + 1) : 1);
    return strcmp(name, g->name) == 0;
}

/* Whether a file name is that of a checkpoint that was set aside. */
static bool is_set_aside(const char *name)
{
    char before[STORE_NAME_BYTES];
    Generation g;
    size_t n = strlen(name), tail = sizeof STORE_DAMAGED - 1;
    if (n <= tail || n - tail >= STORE_NAME_BYTES || strcmp(name + n - tail, STORE_DAMAGED) != 0)
        return false;
    snprintf(before, sizeof before, "%.*s", (int)(n - tail), name);
    return generation_parse(before, &g);
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

/* As far as names tell: the later step, the one saved behind the evaluation, or a later copy of the
 * same one ("-10" after "-2"). */
static bool saved_after(const Generation *a, const Generation *b)
{
    size_t n = strlen(a->name), m = strlen(b->name);
    if (a->step != b->step)
        return a->step > b->step;
    if (a->trained != b->trained)
        return b->trained;
    return n != m ? n > m : strcmp(a->name, b->name) > 0;
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
    const Generation last = l->count ? l->items[l->count - 1] : (Generation){.step = -1};
    int older = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? STATUS_OK
                               : status_fail(STATUS_IO, "%s: folder: %s", folder, strerror(errno));
    for (const struct dirent *e; errno = 0, (e = readdir(dir));) {
        Generation g;
        l->set_aside += is_set_aside(e->d_name);
        if (!generation_parse(e->d_name, &g) || listing_find(l, e->d_name) >= 0)
            continue;
        /* Behind the newest: of a later step, or of the same one behind its evaluation. */
        bool newer = g.step > last.step || (g.step == last.step && last.trained && !g.trained);
        int at = newer ? l->count : older, first = newer ? l->count - 1 : older - 1;
        while (first >= 0 && !l->items[first].sum.sha[0] && saved_after(&l->items[first], &g))
            at = first--;
        older += !newer;
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
