/* Tuning results. Lines that cannot be read are passed over: the worst that can happen is a slower
 * choice. */
#include "plan/tuning.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 16 << 20, VERSION = 1 };

typedef struct Entry {
    char *key, *algorithm;
    double ms;
} Entry;

struct Tuning {
    char *path;
    char *head; /* what the file must begin with */
    Entry *entries;
    int count, room;
};

const char *tuning_key(const Step *step, char text[192])
{
    const ConvDesc *c = &step->conv;
    const GemmDesc *g = &step->gemm;
    const bool conv = step->kind == STEP_CONV;
    const DType type = conv ? c->type : g->type;
    const Math math = conv ? c->math : g->math;
    int n = conv ? snprintf(text, 192, "%s N%d C%d H%d W%d K%d R%d S%d stride%d pad%d groups%d",
                            conv_op_key(c->op), c->N, c->C, c->H, c->W, c->K, c->R, c->S,
                            c->stride, c->pad, c->groups)
                 : snprintf(text, 192, "gemm M%d N%d K%d %s%s", g->M, g->N, g->K,
                            g->trans_a ? "t" : "n", g->trans_b ? "t" : "n");
    snprintf(text + n, 192 - (size_t)n, "%s%s%s%s", type != DTYPE_F32 ? " " : "",
             type != DTYPE_F32 ? dtype_word(type) : "", math != MATH_STRICT ? " " : "",
             math != MATH_STRICT ? math_word(math) : "");
    return text;
}

static const char *kernels_of(const DeviceInfo *info)
{
    return info->caps & CAP_CPU ? "cpu" : "gpu";
}

static char *head_of(const DeviceInfo *info)
{
    char head[700];
    snprintf(head, sizeof head,
             "openpaco tuning %d\ndevice %s\ndriver %s\nversion %s\nunits %u\nkernels %s\n",
             VERSION, info->name, info->driver, info->version, info->units, kernels_of(info));
    return mem_string(head);
}

/* A hash of the head ends the name, so that no table is ever written over another's. */
static char *file_of(const DeviceInfo *info, const char *head, const char *folder)
{
    char name[300];
    snprintf(name, sizeof name, "tuning-%s-%s-%016llx.txt", info->name, kernels_of(info),
             (unsigned long long)rng_hash(head));
    for (char *s = name; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '.' && *s != '-')
            *s = '_';
    char *cache = file_cache_folder(folder);
    char *path = cache ? file_join(cache, name) : NULL;
    free(cache);
    return path;
}

static Entry *find(const Tuning *t, const char *key)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->entries[i].key, key) == 0)
            return &t->entries[i];
    return NULL;
}

static void set(Tuning *t, const char *key, const char *algorithm, double ms)
{
    Entry *e = find(t, key);
    if (!e) {
        if (t->count == t->room) {
            t->room = t->room ? 2 * t->room : 64;
            t->entries = mem_grow(t->entries, (size_t)t->room * sizeof *t->entries);
        }
        e = &t->entries[t->count++];
        *e = (Entry){.key = mem_string(key)};
    }
    free(e->algorithm);
    e->algorithm = mem_string(algorithm);
    e->ms = ms;
}

/* "key = algorithm ms" */
static void read_line(Tuning *t, char *line)
{
    char *equals = strstr(line, " = ");
    if (!equals)
        return;
    *equals = 0;
    char *algorithm = equals + 3, *space = strchr(algorithm, ' ');
    if (!space || space == algorithm)
        return;
    *space = 0;
    set(t, line, algorithm, strtod(space + 1, NULL));
}

Tuning *tuning_load(const DeviceInfo *info, const char *folder)
{
    Tuning *t = mem_zero(1, sizeof *t);
    uint8_t *bytes;
    size_t size;
    t->head = head_of(info);
    t->path = file_of(info, t->head, folder);
    if (!t->path || !file_exists(t->path) ||
        file_read_own(t->path, FILE_LIMIT, &bytes, &size) != STATUS_OK)
        return t;
    char *text = (char *)bytes;
    if (strncmp(text, t->head, strlen(t->head)) == 0)
        for (char *line = text + strlen(t->head), *next; line && *line; line = next) {
            next = strchr(line, '\n');
            if (next)
                *next++ = 0;
            read_line(t, line);
        }
    log_debug(2, "tuning: %d results in %s", t->count, t->path);
    free(bytes);
    return t;
}

void tuning_free(Tuning *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->count; i++) {
        free(t->entries[i].key);
        free(t->entries[i].algorithm);
    }
    free(t->entries);
    free(t->head);
    free(t->path);
    free(t);
}

const char *tuning_find(const Tuning *t, const Step *step)
{
    char key[192];
    const Entry *e = t && t->count ? find(t, tuning_key(step, key)) : NULL;
    return e ? e->algorithm : NULL;
}

void tuning_set(Tuning *t, const Step *step, const char *algorithm, double seconds)
{
    char key[192];
    set(t, tuning_key(step, key), algorithm, 1e3 * seconds);
}

const char *tuning_path(const Tuning *t)
{
    return t->path;
}

Status tuning_save(const Tuning *t)
{
    if (!t->path)
        return status_fail(
            STATUS_IO, "tuning: there is no cache folder: neither XDG_CACHE_HOME nor HOME is set");
    FileOutput out;
    char *slash = strrchr(t->path, '/');
    char *folder = mem_string(t->path);
    folder[slash ? slash - t->path : 0] = 0;
    Status status = file_make_folder(folder);
    free(folder);
    TRY(status);
    TRY(file_output_open(&out, t->path));
    fputs(t->head, out.file);
    for (int i = 0; i < t->count; i++)
        fprintf(out.file, "%s = %s %.4f\n", t->entries[i].key, t->entries[i].algorithm,
                t->entries[i].ms);
    return file_output_close(&out);
}
