/* Finds the engine by what its launcher put into the environment, and polls its transfers: calls
 * that block inside an engine burn a core, so this sleeps between two looks, longer and longer. */
#include "comm/comm.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/module.h"
#include "comm/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct EngineRow {
    const char *title, *module, *counts, *help;
} EngineRow;

static const EngineRow engines[] = {
#define ENGINE(id, title, module, counts, help) {title, module, counts, help},
#include "comm/engines.def"
#undef ENGINE
};

enum { ENGINES = sizeof engines / sizeof *engines };

struct Comm {
    const CommEngine *engine;
    int count, index;
    bool wide;
};

/* ------------------------------------------------------------------------------------ opening */

/* The engine of a row; NULL and why. */
static const CommEngine *engine_load(const EngineRow *row, char why[512])
{
    char path[512];
    void *symbol = module_entry(row->module, "paco_engine", NULL, NULL, path, why);
    CommEngineEntry *entry;
    if (!symbol)
        return NULL;
    memcpy(&entry, &symbol, sizeof entry);
    const CommEngine *engine = entry();
    if (engine->abi == COMM_ENGINE_ABI)
        return engine;
    snprintf(why, 512, "%.300s has contract %u, this program %d: build both together", path,
             engine->abi, COMM_ENGINE_ABI);
    return NULL;
}

/* How many processes the launcher of a row says that it started; 0: it did not start this one. */
static int launched(const EngineRow *row)
{
    const char *count = getenv(row->counts);
    return count ? atoi(count) : 0;
}

Status comm_open(Comm **comm)
{
    const EngineRow *row = NULL;
    char why[512];
    *comm = NULL;
    for (int i = 0; i < ENGINES && !row; i++)
        row = launched(&engines[i]) > 1 ? &engines[i] : NULL;
    if (!row)
        return STATUS_OK;
    Comm c = {.engine = engine_load(row, why)};
    if (!c.engine)
        return status_fail(STATUS_PEER, "%s started %d processes, but its module is not there: %s. %s",
                           row->title, launched(row), why, row->help);
    TRY(c.engine->start(&c.count, &c.index));
    if (c.count != launched(row)) {
        c.engine->finish();
        return status_fail(STATUS_USAGE,
                           "processes: %s says %d, the launcher %d (%s). Was this built with "
                           "another MPI than that mpirun's?",
                           c.engine->name, c.count, launched(row), row->counts);
    }
    *comm = mem_zero(1, sizeof **comm);
    **comm = c;
    return STATUS_OK;
}

void comm_close(Comm *c)
{
    if (!c)
        return;
    c->engine->finish();
    free(c);
}

int comm_count(const Comm *c)
{
    return c ? c->count : 1;
}

int comm_index(const Comm *c)
{
    return c ? c->index : 0;
}

void comm_list(void *file)
{
    for (int i = 0; i < ENGINES; i++) {
        char why[512];
        const CommEngine *engine = engine_load(&engines[i], why);
        fprintf(file, "%s  %s%s\n", engines[i].title, engine ? engine->name : "absent: ",
                engine ? "" : why);
    }
}

/* ------------------------------------------------------------------------------------ transfers */

static _Noreturn void lost(Comm *c)
{
    fprintf(stderr, "paco: error: process %d of %d: a peer is lost: %s cannot reach it\n", c->index,
            c->count, c->engine->name);
    c->engine->abort(STATUS_PEER);
    _exit(STATUS_PEER);
}

static int begun(Comm *c, int transfer)
{
    if (transfer < 0)
        lost(c);
    return transfer;
}

int comm_send(Comm *c, const void *data, size_t bytes, int to)
{
    return begun(c, c->engine->send(data, bytes, to));
}

int comm_receive(Comm *c, void *data, size_t bytes, int from)
{
    return begun(c, c->engine->receive(data, bytes, from));
}

/* Sleeps between looks grow to this; the first looks come without. */
enum { LOOKS_AT_ONCE = 50, SLEEP_FIRST_NS = 5000, SLEEP_MOST_NS = 200000 };

void comm_wait(Comm *c, const int *transfers, int count)
{
    int looks = 0;
    long sleep = SLEEP_FIRST_NS;
    for (int i = 0; i < count; i++)
        for (int done; (done = c->engine->done(transfers[i])) != 1; looks++) {
            if (done < 0)
                lost(c);
            if (looks < LOOKS_AT_ONCE)
                continue;
            nanosleep(&(struct timespec){.tv_nsec = sleep}, NULL);
            sleep = sleep * 2 < SLEEP_MOST_NS ? sleep * 2 : SLEEP_MOST_NS;
        }
}

static void wait_for(Comm *c, int transfer)
{
    begun(c, transfer);
    comm_wait(c, &transfer, 1);
}

void comm_gather(Comm *c, void *data, size_t each)
{
    if (c && each)
        wait_for(c, c->engine->gather(data, each));
}

void comm_broadcast(Comm *c, void *data, size_t bytes)
{
    for (size_t at = 0; c && at < bytes; at += COMM_TRANSFER_MAX) {
        size_t left = bytes - at;
        wait_for(c, c->engine->broadcast((char *)data + at,
                                         left < COMM_TRANSFER_MAX ? left : COMM_TRANSFER_MAX));
    }
}

/* ------------------------------------------------------------------------------------ agreeing */

/* The texts of all, one after another, `*each` bytes apart. */
static char *gather_texts(Comm *c, const char *text, size_t *each)
{
    uint64_t *lengths = mem_zero((size_t)c->count, sizeof *lengths);
    lengths[c->index] = strlen(text) + 1;
    comm_gather(c, lengths, sizeof *lengths);
    *each = 0;
    for (int i = 0; i < c->count; i++)
        *each = lengths[i] > *each ? lengths[i] : *each;
    free(lengths);
    char *texts = mem_zero((size_t)c->count, *each);
    memcpy(texts + (size_t)c->index * *each, text, strlen(text));
    comm_gather(c, texts, *each);
    return texts;
}

/* Where two texts begin to differ: the beginning of that line or, with commas, of that part. */
static size_t differ(const char *a, const char *b)
{
    size_t at = 0, part = 0;
    for (; a[at] && a[at] == b[at]; at++)
        if (a[at] == '\n' || a[at] == ',')
            part = at + 1;
    return part;
}

Status comm_agree(Comm *c, const char *what, const char *text)
{
    size_t each;
    if (!c)
        return STATUS_OK;
    char *texts = gather_texts(c, text, &each);
    Status status = STATUS_OK;
    for (int i = 1; i < c->count && status == STATUS_OK; i++) {
        const char *other = texts + (size_t)i * each;
        size_t at = differ(texts, other);
        if (strcmp(texts, other) != 0)
            status = status_fail(STATUS_USAGE,
                                 "process %d: other %s than process 0 (%.*s vs %.*s). All need the same",
                                 i, what, (int)strcspn(other + at, "\n"), other + at,
                                 (int)strcspn(texts + at, "\n"), texts + at);
    }
    free(texts);
    return status;
}

Status comm_status(Comm *c, Status status)
{
    size_t each;
    if (!c)
        return status;
    int32_t *all = mem_zero((size_t)c->count, sizeof *all);
    int first = 0;
    all[c->index] = status;
    comm_gather(c, all, sizeof *all);
    while (first < c->count && all[first] == STATUS_OK)
        first++;
    Status worst = first < c->count ? (Status)all[first] : STATUS_OK;
    free(all);
    if (worst == STATUS_OK)
        return STATUS_OK;
    char *texts = gather_texts(c, status == STATUS_OK ? "" : status_text(), &each);
    status_fail(worst, "%s", texts + (size_t)first * each);
    free(texts);
    return worst;
}

void comm_set_wide(Comm *c, bool wide)
{
    if (!c)
        return;
    uint8_t *all = mem_zero((size_t)c->count, 1);
    all[c->index] = wide;
    comm_gather(c, all, 1);
    c->wide = memchr(all, 0, (size_t)c->count) == NULL;
    free(all);
}

bool comm_wide(const Comm *c)
{
    return c && c->wide;
}
