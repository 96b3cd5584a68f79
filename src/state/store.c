/* The atomic store. The manifest decides; the folder's listing fills in what a manifest lacks (it
 * was lost, or a save was killed between the rename of the checkpoint and that of the manifest). */
#define _DEFAULT_SOURCE /* flock */
#include "state/store.h"

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "manifest.json"
#define ENDING ".pth.tar"
#define DAMAGED ".damaged"

/* The manifest's last line: the SHA-256 of all bytes before it. With it a damaged manifest is not
 * taken for damaged checkpoints. Format 1 had none. */
#define SEAL ",\n \"sha256\": \""
#define SEAL_END "\"\n}\n"

enum {
    MANIFEST_FORMAT = 2,
    SEALED_FORMAT = 2,
    MANIFEST_MOST = 256 << 20,
    SEAL_BYTES = sizeof SEAL - 1 + SHA256_TEXT - 1 + sizeof SEAL_END - 1,
    NAME_BYTES = 64
};

typedef struct Generation {
    char name[NAME_BYTES]; /* "step-000000001200.pth.tar" */
    int64_t step;
    uint64_t bytes;
    char sha[SHA256_TEXT]; /* "" when the manifest does not know it */
} Generation;

typedef struct Listing {
    Generation *items; /* [count], oldest save first */
    int count;
    char best[NAME_BYTES]; /* "" when there is none */
    int set_aside;         /* files of the folder that are checkpoints renamed NAME.damaged */
} Listing;

struct Store {
    char *folder;
    StoreOptions options;
    int lock;
    Listing listing;
};

/* ---- names and the listing */

/* A step that is saved again (after going back) takes a new name: "step-000000001200-2.pth.tar". */
static void name_of(int64_t step, int copy, char name[NAME_BYTES])
{
    if (copy > 1)
        snprintf(name, NAME_BYTES, "step-%012lld-%d" ENDING, (long long)step, copy);
    else
        snprintf(name, NAME_BYTES, "step-%012lld" ENDING, (long long)step);
}

/* Whether a file name is that of a checkpoint of ours, and of which step. */
static bool parse_name(const char *name, int64_t *step)
{
    char again[NAME_BYTES], *end;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return false;
    *step = strtoll(name + 5, &end, 10);
    name_of(*step, *end == '-' ? atoi(end + 1) : 1, again);
    return strcmp(name, again) == 0;
}

/* Whether a file name is that of a checkpoint that was set aside. */
static bool is_set_aside(const char *name)
{
    char before[NAME_BYTES];
    int64_t step;
    size_t n = strlen(name), tail = sizeof DAMAGED - 1;
    if (n <= tail || n - tail >= NAME_BYTES || strcmp(name + n - tail, DAMAGED) != 0)
        return false;
    snprintf(before, sizeof before, "%.*s", (int)(n - tail), name);
    return parse_name(before, &step);
}

static void add(Listing *l, const Generation *g, int at)
{
    l->items = mem_grow(l->items, (size_t)(l->count + 1) * sizeof *l->items);
    memmove(l->items + at + 1, l->items + at, (size_t)(l->count - at) * sizeof *l->items);
    l->items[at] = *g;
    l->count++;
}

static void drop(Listing *l, int at)
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

static int find(const Listing *l, const char *name)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return i;
    return -1;
}

/* Whether there is nothing of this name (not: nothing that this process may look at). */
static bool is_absent(const char *path)
{
    struct stat st;
    return lstat(path, &st) != 0 && errno == ENOENT;
}

/* One entry of the manifest; false when it is not what we write. */
static bool take_entry(const Json *json, Generation *g)
{
    const Json *bytes = json_get(json, "bytes");
    const char *name = json_text(json, "file", ""), *sha = json_text(json, "sha256", "");
    if (!parse_name(name, &g->step) || strlen(sha) != SHA256_TEXT - 1 || !bytes || !bytes->integral)
        return false;
    snprintf(g->name, sizeof g->name, "%s", name);
    snprintf(g->sha, sizeof g->sha, "%s", sha);
    g->bytes = (uint64_t)bytes->integer;
    return true;
}

static bool take_manifest(const Json *root, Listing *l)
{
    const Json *list = json_get(root, "checkpoints");
    int64_t step;
    if (json_number(root, "format", 0) < 1 || !list || list->kind != JSON_ARRAY)
        return false;
    for (const Json *entry = list->child; entry; entry = entry->next) {
        Generation g = {0};
        if (!take_entry(entry, &g) || find(l, g.name) >= 0)
            return false;
        add(l, &g, l->count);
    }
    const char *best = json_text(root, "best", "");
    if (*best && !parse_name(best, &step))
        return false;
    snprintf(l->best, sizeof l->best, "%s", best);
    return true;
}

static void make_seal(const char *text, size_t size, char seal[SEAL_BYTES + 1])
{
    char hash[SHA256_TEXT];
    uint8_t digest[SHA256_BYTES];
    Sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, text, size);
    sha256_end(&sha, digest);
    sha256_text(digest, hash);
    snprintf(seal, SEAL_BYTES + 1, SEAL "%s" SEAL_END, hash);
}

static bool has_seal(const char *text, size_t size)
{
    return size > SEAL_BYTES && memcmp(text + size - SEAL_BYTES, SEAL, sizeof SEAL - 1) == 0;
}

static bool seal_is_right(const char *text, size_t size)
{
    char seal[SEAL_BYTES + 1];
    make_seal(text, size - SEAL_BYTES, seal);
    return memcmp(text + size - SEAL_BYTES, seal, SEAL_BYTES) == 0;
}

static Status judge_manifest(const char *path, const char *text, size_t size, Listing *l,
                             bool *damaged)
{
    Arena arena = {0};
    Json *root;
    bool readable = json_parse(&arena, path, text, size, &root) == STATUS_OK;
    double format = readable ? json_number(root, "format", 0) : 0;
    bool sealed = has_seal(text, size),
         whole = sealed ? seal_is_right(text, size) : format < SEALED_FORMAT;
    Status status = STATUS_OK;
    if (format > MANIFEST_FORMAT && (whole || !sealed))
        status =
            status_fail(STATUS_INPUT, "%s: format: written by a newer program (%g vs at most %d)",
                        path, format, MANIFEST_FORMAT);
    else
        *damaged = !readable || !whole || !take_manifest(root, l);
    arena_free(&arena);
    return status;
}

/* Reads the manifest. One that is missing or damaged leaves the listing empty; *damaged says which.
 * That of a newer program is no damage: STATUS_INPUT, nothing is guessed and nothing replaced; nor
 * is one that cannot be read: STATUS_IO or STATUS_LIMIT. */
static Status read_manifest(const char *folder, Listing *l, bool *damaged)
{
    char *path = file_join(folder, MANIFEST);
    uint8_t *text = NULL;
    size_t size;
    *l = (Listing){0};
    *damaged = false;
    Status status = file_read(path, MANIFEST_MOST, &text, &size);
    if (status == STATUS_OK)
        status = judge_manifest(path, (const char *)text, size, l, damaged);
    else if (status == STATUS_IO && is_absent(path))
        status = STATUS_OK;
    if (*damaged) {
        log_warn("%s: the manifest is damaged: checkpoints are judged by their own CRCs", path);
        l->count = 0;
        l->best[0] = 0;
    }
    free(text);
    free(path);
    return status;
}

/* Adds checkpoints of the folder that the manifest does not know: a later step than its last one
 * was saved after it; others are taken as the oldest. */
static Status add_unlisted(const char *folder, Listing *l)
{
    int64_t last = l->count ? l->items[l->count - 1].step : -1;
    int older = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? STATUS_OK
                               : status_fail(STATUS_IO, "%s: folder: %s", folder, strerror(errno));
    for (const struct dirent *e; errno = 0, (e = readdir(dir));) {
        Generation g = {0};
        l->set_aside += is_set_aside(e->d_name);
        if (!parse_name(e->d_name, &g.step) || find(l, e->d_name) >= 0)
            continue;
        snprintf(g.name, sizeof g.name, "%.63s", e->d_name);
        int at = g.step > last ? l->count : older, first = g.step > last ? l->count - 1 : older - 1;
        while (first >= 0 && !l->items[first].sha[0] && saved_after(&l->items[first], &g))
            at = first--;
        older += g.step <= last;
        add(l, &g, at);
    }
    int error = errno;
    closedir(dir);
    return error ? status_fail(STATUS_IO, "%s: folder: %s", folder, strerror(error)) : STATUS_OK;
}

/* ---- verification */

static Status hash_file(const char *path, uint64_t *bytes, char text[SHA256_TEXT])
{
    enum { CHUNK = 256 * 1024 };
    uint8_t digest[SHA256_BYTES], *buffer;
    Sha256 sha;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = 0;
    if (fd < 0)
        return status_fail(STATUS_IO, "%s: file@0: cannot open: %s", path, strerror(errno));
    /* What counts is what the disk has, not what is still in memory. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    buffer = mem_alloc(CHUNK);
    sha256_begin(&sha);
    for (*bytes = 0; (n = read(fd, buffer, CHUNK)) > 0; *bytes += (uint64_t)n)
        sha256_add(&sha, buffer, (size_t)n);
    int error = errno;
    free(buffer);
    close(fd);
    if (n < 0)
        return status_fail(STATUS_IO, "%s: file@%llu: cannot read: %s", path,
                           (unsigned long long)*bytes, strerror(error));
    sha256_end(&sha, digest);
    sha256_text(digest, text);
    return STATUS_OK;
}

static Status verify_hash(const char *path, uint64_t bytes, const char *sha)
{
    char have[SHA256_TEXT];
    uint64_t size;
    TRY(hash_file(path, &size, have));
    if (size != bytes || strcmp(have, sha) != 0)
        return status_fail(STATUS_INPUT,
                           "%s: file@0: damaged: sha256 %.16s... of %llu bytes (expected "
                           "%.16s... of %llu)",
                           path, have, (unsigned long long)size, sha, (unsigned long long)bytes);
    return STATUS_OK;
}

static Status verify(const char *path, const Generation *g)
{
    Checkpoint *c;
    if (g->sha[0])
        return verify_hash(path, g->bytes, g->sha);
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
    return status == STATUS_INPUT || (status == STATUS_IO && is_absent(path));
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

static void rename_damaged(const char *folder, const char *name)
{
    char *path = file_join(folder, name), *aside = mem_alloc(strlen(path) + sizeof DAMAGED);
    sprintf(aside, "%s" DAMAGED, path);
    if (rename(path, aside) != 0 && errno != ENOENT)
        log_warn("%s: cannot be renamed: %s", path, strerror(errno));
    free(aside);
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
    while (l->count - 1 > at) {
        if (set_aside)
            rename_damaged(folder, l->items[l->count - 1].name);
        drop(l, l->count - 1);
    }
    return STATUS_OK;
}

/* Without a manifest the link says which one is the best, or the next save would remove it. */
static void find_best(const char *folder, Listing *l)
{
    char *link = file_join(folder, "best" ENDING), name[NAME_BYTES] = "";
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (n > 0 && find(l, name) >= 0)
        snprintf(l->best, sizeof l->best, "%s", name);
    free(link);
}

static Status read_listing(const char *folder, Listing *l)
{
    bool damaged;
    TRY(read_manifest(folder, l, &damaged));
    bool unknown = l->count == 0;
    TRY(add_unlisted(folder, l));
    if (unknown)
        find_best(folder, l);
    if (damaged && l->count == 0)
        return status_fail(STATUS_INPUT,
                           "%s: store: its manifest is damaged and there are no checkpoints",
                           folder);
    if (l->set_aside && l->count == 0)
        return status_fail(STATUS_INPUT,
                           "%s: store: there is no checkpoint beside %d damaged (*" DAMAGED
                           "). Another folder, or "
                           "this one without them, starts anew",
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
    free(l.items);
    return status;
}

/* Where there is no best one to be had, the newest may do. */
static Status no_best(const char *folder, Status status)
{
    char why[STATUS_TEXT_MAX];
    snprintf(why, sizeof why, "%s", status_text());
    return status_fail(status, "%s. The newest is %s/last" ENDING, why, folder);
}

Status store_best(const char *folder, char **path)
{
    Listing l;
    *path = NULL;
    Status status = read_listing(folder, &l);
    if (status == STATUS_OK && l.best[0]) {
        int at = find(&l, l.best);
        *path = file_join(folder, l.best);
        status = at < 0
                     ? status_fail(STATUS_INPUT,
                                   "%s: store: the best checkpoint is not in the manifest", *path)
                     : verify(*path, &l.items[at]);
        if (status != STATUS_OK && at != l.count - 1)
            status = no_best(folder, status);
    }
    if (status != STATUS_OK) {
        free(*path);
        *path = NULL;
    }
    free(l.items);
    return status;
}

/* ---- the writer's side */

static Status take_lock(Store *s)
{
    char *path = file_join(s->folder, "lock"), holder[32] = "";
    Status status = STATUS_OK;
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock < 0) {
        status = status_fail(STATUS_IO, "%s: lock: cannot create: %s", path, strerror(errno));
    } else if (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(s->lock, holder, sizeof holder - 1, 0);
        holder[n > 0 ? strspn(holder, "0123456789") : 0] = 0;
        status =
            status_fail(STATUS_IO, "%s: lock: another process%s%s writes here. One run per folder",
                        s->folder, holder[0] ? ", " : "", holder);
    } else {
        int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
        if (ftruncate(s->lock, 0) != 0 || pwrite(s->lock, holder, (size_t)n, 0) != n)
            log_debug(1, "%s: the lock does not name this process", path);
    }
    free(path);
    return status;
}

/* Temporary files of a save that was killed. */
static void remove_leftovers(const Store *s)
{
    DIR *dir = opendir(s->folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        size_t n = strlen(e->d_name);
        bool ours = strncmp(e->d_name, "step-", 5) == 0 || strncmp(e->d_name, MANIFEST, 8) == 0 ||
                    strncmp(e->d_name, "last.", 5) == 0 || strncmp(e->d_name, "best.", 5) == 0;
        if (ours && n > 4 && strcmp(e->d_name + n - 4, ".tmp") == 0) {
            char *path = file_join(s->folder, e->d_name);
            s->options.ops->remove(path);
            free(path);
        }
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
        status = take_lock(s);
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
    free(s->listing.items);
    free(s->folder);
    free(s);
}

Status store_resume(Store *s, char **path)
{
    return newest(s->folder, &s->listing, true, path);
}

/* Writes, syncs, reads back, and gives the file its name. */
static Status write_checked(const Store *s, const char *name, StoreWrite write, void *context,
                            Generation *g)
{
    char *path = file_join(s->folder, name), *temporary = mem_alloc(strlen(path) + 5);
    uint8_t digest[SHA256_BYTES];
    Sink sink;
    sprintf(temporary, "%s.tmp", path);
    Status status = sink_open(&sink, s->options.ops, temporary);
    if (status == STATUS_OK) {
        status = write(&sink, context);
        if (status == STATUS_OK)
            status = sink_finish(&sink, digest);
        else
            sink_abandon(&sink);
    }
    if (status == STATUS_OK) {
        g->bytes = sink.at;
        sha256_text(digest, g->sha);
        status = verify_hash(temporary, g->bytes, g->sha);
        if (status != STATUS_OK)
            s->options.ops->remove(temporary);
    }
    if (status == STATUS_OK)
        status = file_publish(s->options.ops, temporary, path);
    free(temporary);
    free(path);
    return status;
}

static Status write_manifest_text(Sink *sink, void *context)
{
    const Listing *l = context;
    char *text = NULL, seal[SEAL_BYTES + 1];
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    CHECK(out);
    JsonWriter w = {.file = out, .indent = 1};
    json_begin_object(&w, NULL, JSON_LINES);
    json_put_integer(&w, "format", MANIFEST_FORMAT);
    json_begin_array(&w, "checkpoints", JSON_LINES);
    for (int i = 0; i < l->count; i++) {
        const Generation *g = &l->items[i];
        json_begin_object(&w, NULL, JSON_LINE);
        json_put_text(&w, "file", g->name);
        json_put_integer(&w, "step", g->step);
        json_put_integer(&w, "bytes", (int64_t)g->bytes);
        json_put_text(&w, "sha256", g->sha);
        json_end(&w);
    }
    json_end(&w);
    json_put_text(&w, "last", l->count ? l->items[l->count - 1].name : "");
    if (l->best[0])
        json_put_text(&w, "best", l->best);
    fclose(out); /* the object stays open: the seal is its last member */
    make_seal(text, length, seal);
    Status status = sink_write(sink, text, length);
    if (status == STATUS_OK)
        status = sink_write(sink, seal, SEAL_BYTES);
    free(text);
    return status;
}

/* NAME -> target, replaced in one step. */
static Status set_link(const Store *s, const char *name, const char *target)
{
    const FileOps *ops = s->options.ops;
    char *path = file_join(s->folder, name), *temporary = mem_alloc(strlen(path) + 5);
    Status status = STATUS_OK;
    sprintf(temporary, "%s.tmp", path);
    ops->remove(temporary);
    if (ops->symlink(target, temporary) != 0)
        status = status_fail(STATUS_IO, "%s: link: cannot create: %s", temporary, strerror(errno));
    else
        status = file_publish(ops, temporary, path);
    free(temporary);
    free(path);
    return status;
}

/* A checkpoint that was found but not listed enters the manifest with its own hash. */
static void complete(const Store *s, Listing *l)
{
    for (int i = 0; i < l->count; i++) {
        Generation *g = &l->items[i];
        if (g->sha[0])
            continue;
        char *path = file_join(s->folder, g->name);
        Status status = verify(path, g);
        if (status == STATUS_OK)
            status = hash_file(path, &g->bytes, g->sha);
        if (status != STATUS_OK) {
            log_warn("%s", status_text());
            drop(l, i--);
        }
        free(path);
    }
}

/* Splits off what is no longer kept: all but the newest `keep` and the best. */
static void split(Listing *l, int keep, Listing *gone)
{
    for (int i = 0; i < l->count - keep;) {
        if (strcmp(l->items[i].name, l->best) == 0) {
            i++;
            continue;
        }
        add(gone, &l->items[i], gone->count);
        drop(l, i);
    }
}

static void copy_listing(const Listing *from, Listing *to)
{
    *to = *from;
    to->items = mem_alloc((size_t)from->count * sizeof *to->items);
    if (from->count)
        memcpy(to->items, from->items, (size_t)from->count * sizeof *to->items);
}

static Status publish_listing(Store *s, Listing *l)
{
    Generation manifest = {0};
    TRY(write_checked(s, MANIFEST, write_manifest_text, l, &manifest));
    TRY(set_link(s, "last" ENDING, l->items[l->count - 1].name));
    return l->best[0] ? set_link(s, "best" ENDING, l->best) : STATUS_OK;
}

static void remove_gone(const Store *s, const Listing *gone)
{
    for (int i = 0; i < gone->count; i++) {
        char *path = file_join(s->folder, gone->items[i].name);
        if (s->options.ops->remove(path) != 0 && errno != ENOENT)
            log_warn("%s: cannot be removed: %s", path, strerror(errno));
        free(path);
    }
}

/* A name that no file has: what is there is never written over. */
static void choose_name(const Store *s, int64_t step, char name[NAME_BYTES])
{
    bool taken = true;
    for (int copy = 1; taken; copy++) {
        name_of(step, copy, name);
        char *path = file_join(s->folder, name);
        taken = file_exists(path) || find(&s->listing, name) >= 0;
        free(path);
    }
}

Status store_save(Store *s, int64_t step, bool best, StoreWrite write, void *context)
{
    Generation g = {.step = step};
    Listing next, gone = {0};
    choose_name(s, step, g.name);
    if (s->listing.count && step < s->listing.items[s->listing.count - 1].step)
        log_warn("%s: step %lld is saved after step %lld", s->folder, (long long)step,
                 (long long)s->listing.items[s->listing.count - 1].step);
    TRY(write_checked(s, g.name, write, context, &g));
    copy_listing(&s->listing, &next);
    complete(s, &next);
    add(&next, &g, next.count);
    if (best)
        snprintf(next.best, sizeof next.best, "%s", g.name);
    split(&next, s->options.keep, &gone);
    Status status = publish_listing(s, &next);
    if (status == STATUS_OK) {
        remove_gone(s, &gone);
        free(s->listing.items);
        s->listing = next;
    } else {
        free(next.items);
    }
    free(gone.items);
    return status;
}

static Status write_training(Sink *sink, void *context)
{
    return training_write(sink, context);
}

Status store_save_training(Store *s, int64_t step, bool best, const TrainingState *state)
{
    return store_save(s, step, best, write_training, (void *)(uintptr_t)state);
}
