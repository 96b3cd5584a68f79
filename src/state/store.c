/* The policy: which checkpoint is the last, which the best, what is kept, what is passed over. The
 * manifest decides (manifest.c); the folder's listing fills in what a manifest lacks (listing.c):
 * it was lost, or a save was killed between the rename of the checkpoint and that of the manifest.
 * What such a checkpoint is, it says itself. */
#include "state/store.h"

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "state/manifest.h"
#include "state/unlisted.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct Store {
    char *folder;
    StoreOptions options;
    int lock; /* descriptor, -1: not taken */
    Listing listing;
};

/* ---- verification */

static Status verify(const char *path, const Generation *g)
{
    Checkpoint *c;
    if (g->sum.sha[0])
        return store_file_check(path, &g->sum);
    /* Without a hash its CRCs are all there is. */
    CheckpointOptions options = {.require_crc = true};
    TRY(checkpoint_open(path, &options, &c));
    Status status = checkpoint_verify(c);
    checkpoint_close(c);
    return status;
}

/* Whether a checkpoint that failed verification is lost: damaged, or not there. What could not be
 * read for another reason (rights, a sick disk, memory) may well be intact: nothing goes on without
 * it. */
static bool is_lost(Status status, const char *path)
{
    return status == STATUS_INPUT || (status == STATUS_IO && store_file_absent(path));
}

/* The index of the newest intact one and its path; -1 and NULL when none is. */
static Status find_intact(const char *folder, const Listing *l, int *at, char **path)
{
    for (*at = l->count - 1, *path = NULL; *at >= 0; --*at) {
        *path = file_join(folder, l->items[*at].name);
        Status status = verify(*path, &l->items[*at]);
        if (status == STATUS_OK)
            return STATUS_OK;
        bool lost = is_lost(status, *path);
        if (lost)
            log_warn("%s", status_text());
        free(*path);
        *path = NULL;
        if (!lost)
            return status;
    }
    return STATUS_OK;
}

static void set_aside_newest(const char *folder, const Listing *l)
{
    char *path = file_join(folder, listing_newest(l)->name);
    store_file_set_aside(path);
    free(path);
}

/* The newest intact one. Only when there is one are damaged newer ones dropped from the listing
 * and, with `set_aside`, renamed: else the next call would find nothing and take the folder for a
 * fresh one. */
static Status newest(const char *folder, Listing *l, bool set_aside, char **path)
{
    int at;
    TRY(find_intact(folder, l, &at, path));
    if (at < 0 && l->count)
        return status_fail(STATUS_INPUT, "%s: store: none of its %d checkpoints is intact", folder,
                           l->count);
    if (at < l->count - 1)
        log_warn("%s: going back to step %lld (%s)", folder, (long long)l->items[at].step,
                 l->items[at].name);
    /* From the newest down to the intact one. */
    while (l->count - 1 > at) {
        if (set_aside)
            set_aside_newest(folder, l);
        listing_drop(l, l->count - 1);
    }
    return STATUS_OK;
}

static Status read_listing(const char *folder, Listing *l)
{
    bool damaged;
    TRY(manifest_read(folder, l, &damaged));
    bool unknown = l->count == 0;
    TRY(listing_scan(folder, l));
    if (unknown) /* or the next save would remove the best one */
        listing_take_best(folder, l);
    TRY(unlisted_take(folder, l));
    if (damaged && l->count == 0)
        return status_fail(STATUS_INPUT,
                           "%s: store: its manifest is damaged and there are no checkpoints",
                           folder);
    if (l->set_aside && l->count == 0)
        return status_fail(STATUS_INPUT,
                           "%s: store: there is no checkpoint beside %d damaged (*" STORE_DAMAGED
                           "). Another folder, or this one without them, starts anew",
                           folder, l->set_aside);
    return STATUS_OK;
}

Status store_last(const char *folder, char **path)
{
    Listing l;
    *path = NULL;
    Status status = read_listing(folder, &l);
    if (status == STATUS_OK)
        status = newest(folder, &l, false, path);
    listing_free(&l);
    return status;
}

/* Where there is no best one to be had, the newest may do. */
static Status no_best(const char *folder, Status status)
{
    char why[STATUS_TEXT_MAX];
    snprintf(why, sizeof why, "%s", status_text());
    return status_fail(status, "%s. The newest is %s/" STORE_LAST, why, folder);
}

Status store_best(const char *folder, char **path)
{
    Listing l;
    *path = NULL;
    Status status = read_listing(folder, &l);
    if (status == STATUS_OK && l.best[0]) {
        int at = listing_find(&l, l.best);
        *path = file_join(folder, l.best);
        status = at < 0
                     ? status_fail(STATUS_INPUT,
                                   "%s: store: the best checkpoint is not in the manifest", *path)
                     : verify(*path, &l.items[at]);
        /* No hint where the best one is the newest. */
        if (status != STATUS_OK && at != l.count - 1)
            status = no_best(folder, status);
    }
    if (status != STATUS_OK) {
        free(*path);
        *path = NULL;
    }
    listing_free(&l);
    return status;
}

/* ---- the writer's side */

/* Whether a file is the temporary one of a save, by its name: other programs' are left alone. */
static bool is_unfinished(const char *name)
{
    static const char *const begins[] = {"step-", "manifest", "last.", "best."};
    size_t n = strlen(name), tail = sizeof STORE_UNFINISHED - 1;
    if (n <= tail || strcmp(name + n - tail, STORE_UNFINISHED) != 0)
        return false;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* Removes what a save that was killed left. */
static void remove_leftovers(const Store *s)
{
    DIR *dir = opendir(s->folder);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (is_unfinished(e->d_name)) {
            char *path = file_join(s->folder, e->d_name);
            s->options.ops->remove(path);
            free(path);
        }
    if (dir)
        closedir(dir);
}

Status store_open(const char *folder, const StoreOptions *options, Store **out)
{
    Store *s = mem_zero(1, sizeof *s);
    s->folder = mem_string(folder);
    s->options = *options;
    s->lock = -1;
    if (!s->options.ops)
        s->options.ops = &file_ops_system;
    CHECK(s->options.keep >= 1);
    Status status = file_make_folder(folder);
    if (status == STATUS_OK)
        status = store_lock(folder, &s->lock);
    if (status == STATUS_OK)
        status = read_listing(folder, &s->listing);
    if (status != STATUS_OK) {
        store_close(s);
        return status;
    }
    remove_leftovers(s);
    *out = s;
    return STATUS_OK;
}

void store_close(Store *s)
{
    if (!s)
        return;
    if (s->lock >= 0)
        close(s->lock);
    listing_free(&s->listing);
    free(s->folder);
    free(s);
}

static Status write_named(const Store *s, const char *name, StoreWrite write, void *context,
                          FileSum *sum)
{
    char *path = file_join(s->folder, name);
    Status status = store_file_write(s->options.ops, path, write, context, sum);
    free(path);
    return status;
}

/* A link that leads there already is left alone. */
static Status set_link(const Store *s, const char *name, const Listing *l, const char *target)
{
    if (store_file_linked(s->folder, name, target, &l->items[listing_find(l, target)].sum))
        return STATUS_OK;
    return store_file_link(s->options.ops, s->folder, name, target);
}

/* A checkpoint that was found but not listed enters the manifest with its own hash. */
static void complete(const Store *s, Listing *l)
{
    for (int i = 0; i < l->count; i++) {
        Generation *g = &l->items[i];
        if (g->sum.sha[0])
            continue;
        char *path = file_join(s->folder, g->name);
        Status status = verify(path, g);
        if (status == STATUS_OK)
            status = store_file_sum(path, &g->sum);
        if (status != STATUS_OK) {
            log_warn("%s", status_text());
            listing_drop(l, i--);
        }
        free(path);
    }
}

/* Whether item i is kept, behind which there are `later` kept ones: the newest `keep`, and besides
 * them the best; one from before an evaluation only while it is the newest, and it does not count.
 */
static bool is_kept(const Listing *l, int i, int keep, int later)
{
    if (l->items[i].trained)
        return i == l->count - 1;
    return later < keep || strcmp(l->items[i].name, l->best) == 0;
}

/* Splits off what is no longer kept, oldest first. */
static void split(Listing *l, int keep, Listing *gone)
{
    int later = 0;
    for (int i = l->count - 1; i >= 0; i--) {
        if (is_kept(l, i, keep, later)) {
            later += !l->items[i].trained;
            continue;
        }
        listing_add(gone, &l->items[i], 0);
        listing_drop(l, i);
    }
}

static void remove_file(const Store *s, const char *name)
{
    char *path = file_join(s->folder, name);
    if (s->options.ops->remove(path) != 0 && errno != ENOENT)
        log_warn("%s: cannot be removed: %s", path, strerror(errno));
    free(path);
}

/* The manifest first: links and removals follow what it says. */
static Status publish_listing(Store *s, Listing *l)
{
    FileSum sum;
    if (!manifest_says(s->folder, l))
        TRY(write_named(s, MANIFEST_NAME, manifest_write, l, &sum));
    TRY(set_link(s, STORE_LAST, l, listing_newest(l)->name));
    if (l->best[0])
        return set_link(s, STORE_BEST, l, l->best);
    remove_file(s, STORE_BEST); /* it would lead to one that was the best */
    return STATUS_OK;
}

static void remove_gone(const Store *s, const Listing *gone)
{
    for (int i = 0; i < gone->count; i++)
        remove_file(s, gone->items[i].name);
}

/* Makes a listing the store's and the folder's, without what is no longer kept. It is the store's
 * to free from here on. */
static Status take_over(Store *s, Listing *next)
{
    Listing gone = {0};
    split(next, s->options.keep, &gone);
    Status status = publish_listing(s, next);
    if (status == STATUS_OK)
        remove_gone(s, &gone);
    listing_free(status == STATUS_OK ? &s->listing : next);
    if (status == STATUS_OK)
        s->listing = *next;
    listing_free(&gone);
    return status;
}

Status store_choose(const char *path, char **chosen, bool *folder, bool *best)
{
    bool is_folder = file_is_folder(path), is_best = false;
    Status status = STATUS_OK;
    *chosen = is_folder ? NULL : mem_string(path);
    if (is_folder)
        status = store_best(path, chosen);
    is_best = is_folder && *chosen;
    if (status == STATUS_OK && !*chosen)
        status = store_last(path, chosen);
    if (status == STATUS_OK && !*chosen)
        status = status_fail(STATUS_IO, "%s: there is no checkpoint in this folder", path);
    if (folder)
        *folder = is_folder;
    if (best)
        *best = is_best;
    return status;
}

Status store_resume(Store *s, char **path)
{
    Listing next;
    TRY(newest(s->folder, &s->listing, true, path));
    if (!*path)
        return STATUS_OK;
    /* A save that was killed may have left any part of this undone. */
    listing_copy(&s->listing, &next);
    complete(s, &next);
    Status status = take_over(s, &next);
    if (status != STATUS_OK) {
        free(*path);
        *path = NULL;
    }
    return status;
}

/* A name that no file has: what is there is never written over. */
static void choose_name(const Store *s, Generation *g)
{
    bool taken = true;
    for (int copy = 1; taken; copy++) {
        generation_name(g, copy);
        char *path = file_join(s->folder, g->name);
        taken = file_exists(path) || listing_find(&s->listing, g->name) >= 0;
        free(path);
    }
}

Status store_save(Store *s, const StoreSave *save)
{
    Generation g = {.step = save->step, .trained = save->kind == STORE_TRAINED};
    Listing next;
    /* What is saved next is decided on copies: the listing changes once all of it is on the
     * disk. */
    choose_name(s, &g);
    if (s->listing.count && g.step < listing_newest(&s->listing)->step)
        log_warn("%s: step %lld is saved after step %lld", s->folder, (long long)g.step,
                 (long long)listing_newest(&s->listing)->step);
    TRY(write_named(s, g.name, save->write, save->context, &g.sum));
    listing_copy(&s->listing, &next);
    complete(s, &next);
    listing_add(&next, &g, next.count);
    if (save->kind == STORE_BEST_SO_FAR)
        snprintf(next.best, sizeof next.best, "%s", g.name);
    if (save->run)
        snprintf(next.run, sizeof next.run, "%s", save->run);
    return take_over(s, &next);
}

void store_forget_best(Store *s)
{
    s->listing.best[0] = 0;
}

static Status write_training(Sink *sink, void *context)
{
    return training_write(sink, context);
}

Status store_save_training(Store *s, int64_t step, StoreKind kind, const TrainingState *state)
{
    const char *run = strchr(STORE_SAYS_RUN, '/') + 1;
    StoreSave save = {.step = step,
                      .kind = kind,
                      .write = write_training,
                      .run = training_extra_text(state, run, NULL),
                      .context = (void *)(uintptr_t)state};
    return store_save(s, &save);
}
