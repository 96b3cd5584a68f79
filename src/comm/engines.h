/* The engines that this program knows: the rows of engines.def. Private to src/comm. */
#ifndef PACO_COMM_ENGINES_H
#define PACO_COMM_ENGINES_H

#include "comm/engine.h"

typedef struct EngineRow {
    const char *title, *module, *counts, *launcher, *arguments, *help;
} EngineRow;

/* Row i; NULL behind the last. */
const EngineRow *engine_row(int i);
/* Its engine; NULL and why it cannot be had. */
const CommEngine *engine_load(const EngineRow *row, char why[512]);

#endif
