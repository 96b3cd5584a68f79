/* Finds backend modules, checks that they speak this contract, and opens devices by name. */
#include "device/registry.h"

#include "base/libraries.h"
#include "base/log.h"
#include "base/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Module {
    BackendRow row;
    const char *file, *libraries, *hint;
    bool tried;
} Module;

static Module modules[] = {
#define BACKEND(id, module, needs, help)                                                           \
    {.row = {.name = #id}, .file = module, .libraries = needs, .hint = help},
#include "device/backends.def"
#undef BACKEND
};

enum { MODULES = sizeof modules / sizeof *modules };

static void module_find(Module *m)
{
    void *symbol = module_entry(m->file, "paco_backend", *m->libraries ? libraries_preload : NULL,
                                m->libraries, m->row.path, m->row.why);
    if (symbol) {
        BackendEntry *entry;
        memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function */
        m->row.backend = entry();
    }
}

/* Loads the module, checks its contract and counts its devices, once. */
static void module_try(Module *m)
{
    BackendRow *row = &m->row;
    m->tried = true;
    module_find(m);
    if (row->backend && row->backend->abi != BACKEND_ABI) {
        snprintf(row->why, sizeof row->why,
                 "%s has contract %u, this program %d: build both together", m->file,
                 row->backend->abi, BACKEND_ABI);
        row->backend = NULL;
    }
    if (row->backend && row->backend->count(&row->devices) != STATUS_OK) {
        size_t name = strlen(row->name);
        const char *text = status_text();
        bool named = strncmp(text, row->name, name) == 0 && strncmp(text + name, ": ", 2) == 0;
        snprintf(row->why, sizeof row->why, "%.500s", named ? text + name + 2 : text);
        row->devices = 0;
    }
    log_debug(1, "backend %s: %s", row->name, row->why[0] ? row->why : row->path);
}

int registry_count(void)
{
    return MODULES;
}

const BackendRow *registry_row(int i)
{
    if (!modules[i].tried)
        module_try(&modules[i]);
    return &modules[i].row;
}

/* A card of its own before a GPU that shares the processor's memory, that before a processor, and
 * last what is neither: simulators of hardware, signal processors. */
enum { RANK_NONE, RANK_ACCELERATOR, RANK_PROCESSOR, RANK_SHARED, RANK_CARD };

static int device_rank(const DeviceInfo *info)
{
    if (info->caps & CAP_ACCELERATOR)
        return RANK_ACCELERATOR;
    return info->caps & CAP_CPU              ? RANK_PROCESSOR
           : info->caps & CAP_UNIFIED_MEMORY ? RANK_SHARED
                                             : RANK_CARD;
}

/* The best usable device: the first backend that has a GPU decides. */
static Status find_best(const BackendRow **best, int *index)
{
    char why[STATUS_TEXT_MAX] = "";
    int rank = RANK_NONE;
    *best = NULL;
    for (int i = 0; i < MODULES; i++) {
        const BackendRow *row = registry_row(i);
        if (row->why[0] && strlen(why) + strlen(row->why) + 40 < sizeof why)
            snprintf(why + strlen(why), sizeof why - strlen(why), "; %s: %s", row->name, row->why);
        for (int d = 0; d < row->devices; d++) {
            DeviceInfo info;
            if (row->backend->info(d, &info) != STATUS_OK || info.why[0])
                continue;
            if (device_rank(&info) <= rank)
                continue;
            rank = device_rank(&info);
            *best = row;
            *index = d;
        }
        if (rank > RANK_PROCESSOR)
            return STATUS_OK;
    }
    if (*best)
        return STATUS_OK;
    return status_fail(STATUS_DEVICE, "device auto: no usable device%s. %s", why,
                       "See `paco devices`, or use --device ref");
}

/* The number of a device on paper, or -1. */
static int find_paper(const Backend *backend, const char *name)
{
    for (int i = 0; backend && backend->papers && backend->papers[i]; i++)
        if (strcmp(backend->papers[i], name) == 0)
            return i;
    return -1;
}

static Status open_paper(const char *name, const Backend *backend, int paper,
                         const DeviceOptions *options, Device **device)
{
    if (!options->plan_only)
        return status_fail(STATUS_USAGE,
                           "device %s: a description without a device: `paco plan` alone takes it",
                           name);
    return backend->open_paper(paper, options, device);
}

static Status number_expected(const char *name, const Backend *backend)
{
    char papers[256] = "";
    for (int i = 0; backend && backend->papers && backend->papers[i]; i++)
        snprintf(papers + strlen(papers), sizeof papers - strlen(papers), "%s%s",
                 i ? ", " : ", or ", backend->papers[i]);
    return status_fail(STATUS_USAGE, "device %s: number expected after the colon%s%s", name,
                       papers, *papers ? " for `paco plan`" : "");
}

/* The row and number that "backend" or "backend:number" names; of "backend:word" *paper is the
 * number of the device on paper, else -1. */
static Status find_named(const char *name, const BackendRow **found, int *index, int *paper)
{
    size_t length = strcspn(name, ":");
    const Module *module = NULL;
    for (int i = 0; i < MODULES; i++)
        if (strlen(modules[i].row.name) == length && !memcmp(modules[i].row.name, name, length)) {
            *found = registry_row(i);
            module = &modules[i];
        }
    if (!module)
        return status_fail(STATUS_USAGE, "device %s: unknown backend. `paco devices` lists them",
                           name);
    *index = 0;
    *paper = name[length] ? find_paper((*found)->backend, name + length + 1) : -1;
    if (*paper >= 0)
        return STATUS_OK;
    if (name[length] && (name[length + 1] < '0' || name[length + 1] > '9') &&
        !(*found)->backend) /* what the module would know it by */
        return status_fail(STATUS_DEVICE, "device %s: %s. %s", name, (*found)->why, module->hint);
    if (name[length]) {
        char *end;
        long number = strtol(name + length + 1, &end, 10);
        if (*end || end == name + length + 1 || number < 0 || number > 1000)
            return number_expected(name, (*found)->backend);
        *index = (int)number;
    }
    if ((*found)->why[0]) /* a module that loaded knows itself what helps */
        return status_fail(STATUS_DEVICE, "device %s: %s%s%s", name, (*found)->why,
                           (*found)->backend ? "" : ". ", (*found)->backend ? "" : module->hint);
    if (*index >= (*found)->devices)
        return status_fail(STATUS_DEVICE,
                           "device %s: %s has %d device%s. `paco devices` lists them", name,
                           (*found)->name, (*found)->devices, (*found)->devices == 1 ? "" : "s");
    return STATUS_OK;
}

Status device_open(const char *name, const DeviceOptions *options, const Backend **backend,
                   Device **device)
{
    static const DeviceOptions defaults;
    const BackendRow *row = NULL;
    int index = 0, paper = -1;
    options = options ? options : &defaults;
    TRY(strcmp(name, "auto") ? find_named(name, &row, &index, &paper) : find_best(&row, &index));
    *backend = row->backend;
    return paper >= 0 ? open_paper(name, row->backend, paper, options, device)
                      : row->backend->open(index, options, device);
}
