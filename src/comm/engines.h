/* The engines that this program knows, and who starts processes with them: the rows of engines.def
 * and starters.def. Private to src/comm. */
#ifndef PACO_COMM_ENGINES_H
#define PACO_COMM_ENGINES_H

#include "comm/engine.h"

typedef struct EngineRow {
    const char *id, *title, *module, *says, *arguments, *settings, *help;
} EngineRow;

/* Row i; NULL behind the last. */
const EngineRow *engine_row(int i);
/* Its engine; NULL and why it cannot be had. */
const CommEngine *engine_load(const EngineRow *row, char why[512]);

typedef struct Started {
    const char *who, *counts; /* of starters.def */
    int count, index;         /* what it says of how many there are, and which this one is */
    const EngineRow *row;     /* NULL: it offers none */
    const CommEngine *engine; /* NULL: it is not there */
    char why[512];
} Started;

/* Who started this process beside others, by the environment, and the engine to meet them with.
 * False: nobody did. */
bool engine_started(Started *started);

#endif
