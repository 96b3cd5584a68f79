/* Inspection of a folder: a table of its checkpoints, of which nothing but the descriptions is
 * read; of a run's folder also what the manifest says, and the options. */
#include "state/inspect.h"

#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "options/options.h"
#include "state/manifest.h"
#include "state/network.h"
#include "state/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_ROOM = 4 * 255 + 1 }; /* a file's name with every byte as \xNN */

typedef struct Folder {
    const char *path;
    char **names; /* [count] of regular files, sorted; malloc'd */
    int count;
    Listing listing; /* empty: no run's folder */
    bool manifest;   /* whether it has one that can be read */
    uint64_t bytes;  /* of the checkpoints */
    int rows, others;
    Select select;   /* what chose the best one */
    char *options;   /* of the newest checkpoint of a run, malloc'd; NULL: unknown */
} Folder;

/* ------------------------------------------------------------------------------------ folder */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Its regular files. Links are none: they are those of the store, or lead elsewhere. */
static Status list_files(Folder *f)
{
    DIR *dir = opendir(f->path);
    if (!dir)
        return status_fail(STATUS_IO, "%s: folder: %s", f->path, strerror(errno));
    for (const struct dirent *e; (e = readdir(dir));) {
        struct stat s;
        char *path = file_join(f->path, e->d_name);
        if (lstat(path, &s) == 0 && S_ISREG(s.st_mode)) {
            f->names = mem_grow(f->names, (size_t)(f->count + 1) * sizeof *f->names);
            f->names[f->count++] = mem_string(e->d_name);
        }
        free(path);
    }
    closedir(dir);
    if (f->count)
        qsort(f->names, (size_t)f->count, sizeof *f->names, by_name);
    return STATUS_OK;
}

/* What the folder is to a store: the manifest, then what lies there unlisted. */
static Status read_listing(Folder *f)
{
    bool damaged;
    TRY(manifest_read(f->path, &f->listing, &damaged));
    f->manifest = f->listing.count > 0;
    TRY(listing_scan(f->path, &f->listing));
    if (!f->manifest)
        listing_take_best(f->path, &f->listing);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ a row */

/* Names under which checkpoints are kept: what is called so and is none gets a line that says
 * why. */
static bool is_called_checkpoint(const char *name)
{
    static const char *const endings[] = {".pth",  ".th",  ".pt",  ".tar", ".safetensors",
                                           ".ckpt", ".bin", STORE_DAMAGED};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(name), m = strlen(endings[i]);
        if (n > m && strcmp(name + n - m, endings[i]) == 0)
            return true;
    }
    return false;
}

static void add_word(char *text, size_t room, const char *word)
{
    size_t n = strlen(text);
    snprintf(text + n, room - n, "%s%s", n ? ", " : "", word);
}

/* What a file of a run is to it. */
static void describe_role(const Folder *f, const char *name, uint64_t bytes, char *text,
                          size_t room)
{
    const Listing *l = &f->listing;
    int at = listing_find(l, name);
    if (at < 0)
        return;
    const Generation *g = &l->items[at];
    if (at == l->count - 1)
        add_word(text, room, "newest");
    if (strcmp(name, l->best) == 0)
        add_word(text, room, "best");
    if (g->trained)
        add_word(text, room, "before its evaluation");
    if (!g->sum.sha[0])
        add_word(text, room, "not in the manifest");
    else if (g->sum.bytes != bytes)
        add_word(text, room, "DAMAGED: the manifest has another size");
}

/* Epochs done, from our files or PyTorch's usual key; "-" where the file says nothing. */
static void describe_number(Checkpoint *c, const char *const keys[2], char text[24])
{
    int64_t value;
    snprintf(text, 24, "-");
    for (int i = 0; i < 2 && keys[i]; i++)
        if (checkpoint_integer(c, keys[i], &value) == STATUS_OK) {
            snprintf(text, 24, "%" PRId64, value);
            return;
        }
}

static void describe_accuracy(Checkpoint *c, char text[24])
{
    double best;
    if (checkpoint_number(c, "openpaco/best", &best) == STATUS_OK && best > 0 && best <= 1)
        snprintf(text, 24, "%.2f %%", 100 * best);
    else
        snprintf(text, 24, "-");
}

static void describe_network(Checkpoint *c, char *text, size_t room)
{
    StateDict dict;
    Recognised found;
    snprintf(text, room, "not recognised");
    if (network_open(c, NULL, &dict, &found) != STATUS_OK)
        return;
    if (found.classes > 0)
        snprintf(text, room, "%s, %" PRId64 " classes", found.arch->name, found.classes);
    else
        snprintf(text, room, "%s", found.arch->name);
    state_dict_free(&dict);
}

/* Before the first row. */
static void print_header(Folder *f, FILE *out)
{
    if (f->rows++)
        return;
    log_text(out, "%s: %s", f->path, f->listing.count ? "a run's folder" : "a folder");
    fprintf(out, "\n%-28s %-21s %6s %9s %8s %9s  %s\n", "file", "format", "epochs", "step", "best",
            "MiB", "network");
}

static void print_checkpoint(Folder *f, const char *name, Checkpoint *c, FILE *out)
{
    static const char *const epochs[2] = {"openpaco/epoch", "epoch"},
                             *const steps[2] = {"openpaco/step", NULL};
    char shown[NAME_ROOM], epoch[24], step[24], best[24], network[80], role[160] = "";
    uint64_t bytes = checkpoint_file_bytes(c);
    print_header(f, out);
    describe_number(c, epochs, epoch);
    describe_number(c, steps, step);
    describe_accuracy(c, best);
    describe_network(c, network, sizeof network);
    describe_role(f, name, bytes, role, sizeof role);
    fprintf(out, "%-28s %-21s %6s %9s %8s %9.1f  %s%s%s\n",
            utf8_clean(shown, sizeof shown, name), checkpoint_format_name(c), epoch, step, best,
            (double)bytes / (1 << 20), network, *role ? "; " : "", role);
    f->bytes += bytes;
    if (strcmp(name, f->listing.best) == 0)
        f->select = snapshot_select(c);
    const char *options = checkpoint_text(c, "openpaco/options");
    bool newest = f->listing.count && strcmp(listing_newest(&f->listing)->name, name) == 0;
    if (newest && options && !f->options)
        f->options = mem_string(options);
}

static void print_file(Folder *f, const char *name, const InspectOptions *options, FILE *out)
{
    Checkpoint *c;
    char shown[NAME_ROOM];
    char *path = file_join(f->path, name);
    CheckpointOptions open = options->open;
    open.quiet = true;
    if (checkpoint_open(path, &open, &c) == STATUS_OK) {
        print_checkpoint(f, name, c, out);
        checkpoint_close(c);
    } else if (is_called_checkpoint(name)) {
        print_header(f, out);
        fprintf(out, "%-28s UNREADABLE: %s\n", utf8_clean(shown, sizeof shown, name),
                status_text());
    } else {
        f->others++;
    }
    free(path);
}

/* ------------------------------------------------------------------------------------ the end */

static void print_manifest(const Folder *f, FILE *out)
{
    const Listing *l = &f->listing;
    int missing = 0, unlisted = 0;
    for (int i = 0; i < l->count; i++) {
        char *path = file_join(f->path, l->items[i].name);
        missing += file_missing(path);
        unlisted += !l->items[i].sum.sha[0];
        free(path);
    }
    if (!f->manifest)
        fprintf(out, "manifest: none that can be read; the files' names stand for it\n");
    else
        fprintf(out, "manifest: lists %d, %d of them not there; not listed: %d\n",
                l->count - unlisted, missing, unlisted);
    fprintf(out, "newest: %s\n", listing_newest(l)->name);
    if (*l->best)
        fprintf(out, "best: %s, chosen by the %s\n", l->best, select_title(f->select));
    else
        fprintf(out, "best: none is chosen: the newest stands for the run\n");
    if (l->set_aside)
        fprintf(out, "set aside as damaged (*" STORE_DAMAGED "): %d\n", l->set_aside);
}

/* What the run was told beyond the defaults. */
static void print_options(const char *dump, FILE *out)
{
    Options defaults;
    Arena arena = {0};
    OptionChange changes[OPTION_COUNT];
    options_init(&defaults);
    fprintf(out, "options:");
    if (strncmp(dump, "preset=", 7) == 0)
        log_text(out, " preset=%.*s", (int)strcspn(dump + 7, "\n"), dump + 7);
    for (int kind = RESUME_SAME; kind <= RESUME_ONCE; kind++) {
        int count = options_changes(&defaults, dump, (OptionResume)kind, &arena, changes);
        for (int i = 0; i < count; i++)
            log_text(out, " %s=%s", changes[i].name, changes[i].then);
    }
    fputc('\n', out);
    options_free(&defaults);
    arena_free(&arena);
}

static Status print_folder(Folder *f, const InspectOptions *options, FILE *out)
{
    TRY(list_files(f));
    TRY(read_listing(f));
    for (int i = 0; i < f->count; i++)
        print_file(f, f->names[i], options, out);
    if (!f->rows)
        return status_fail(STATUS_IO, "%s: there is no checkpoint in this folder", f->path);
    fprintf(out, "checkpoints: %d, %.1f MiB; other files: %d\n", f->rows,
            (double)f->bytes / (1 << 20), f->others);
    if (f->listing.count)
        print_manifest(f, out);
    if (f->options)
        print_options(f->options, out);
    return STATUS_OK;
}

Status inspect_folder(const char *path, const InspectOptions *options, FILE *out)
{
    Folder f = {.path = path};
    Status status = print_folder(&f, options, out);
    for (int i = 0; i < f.count; i++)
        free(f.names[i]);
    free(f.names);
    free(f.options);
    listing_free(&f.listing);
    return status;
}
