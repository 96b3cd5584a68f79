#include "comm/engines.h"

#include "base/module.h"

#include <stdio.h>
#include <string.h>

const EngineRow *engine_row(int i)
{
    static const EngineRow rows[] = {
#define ENGINE(id, title, module, counts, launcher, arguments, help)                               \
    {title, module, counts, launcher, arguments, help},
#include "comm/engines.def"
#undef ENGINE
    };
    return i >= 0 && i < (int)(sizeof rows / sizeof *rows) ? &rows[i] : NULL;
}

const CommEngine *engine_load(const EngineRow *row, char why[512])
{
    char path[512];
    void *symbol = module_entry(row->module, "paco_engine", NULL, NULL, path, why);
    CommEngineEntry *entry;
    if (!symbol)
        return NULL;
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function */
    const CommEngine *engine = entry();
    if (engine->abi == COMM_ENGINE_ABI)
        return engine;
    snprintf(why, 512, "%s has contract %u, this program %d: build both together", row->module,
             engine->abi, COMM_ENGINE_ABI);
    return NULL;
}
