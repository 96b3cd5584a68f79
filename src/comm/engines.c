#include "comm/engines.h"

#include "base/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum EngineId {
#define ENGINE(id, title, module, says, arguments, settings, help) ENGINE_##id,
#include "comm/engines.def"
#undef ENGINE
    ENGINE_none
} EngineId;

const EngineRow *engine_row(int i)
{
    static const EngineRow rows[] = {
#define ENGINE(id, title, module, says, arguments, settings, help)                                 \
    {#id, title, module, says, arguments, settings, help},
#include "comm/engines.def"
#undef ENGINE
    };
    return i >= 0 && i < ENGINE_none ? &rows[i] : NULL;
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

bool engine_started(Started *started)
{
    static const struct {
        const char *who, *counts, *rank, *sign;
        EngineId engine;
    } rows[] = {
#define STARTER(who, counts, rank, sign, engine) {who, counts, rank, sign, ENGINE_##engine},
#include "comm/starters.def"
#undef STARTER
    };
    bool any = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *count = getenv(rows[i].counts);
        if (!count || atoi(count) < 2 || (rows[i].sign && !getenv(rows[i].sign)))
            continue;
        const char *rank = getenv(rows[i].rank);
        Started s = {.who = rows[i].who,
                     .counts = rows[i].counts,
                     .count = atoi(count),
                     .index = rank ? atoi(rank) : 0};
        s.row = engine_row(rows[i].engine);
        s.engine = s.row ? engine_load(s.row, s.why) : NULL;
        if (!any || s.engine)
            *started = s;
        any = true;
        if (s.engine)
            return true;
    }
    return any;
}
