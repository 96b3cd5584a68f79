/* Listing: the checkpoints of a store's folder, oldest save first, and which of them is the best.
 * Their names say the step and nothing else; the order of saves is known to the manifest, and only
 * guessed from a folder without one. Private to src/state. */
#ifndef PACO_STATE_LISTING_H
#define PACO_STATE_LISTING_H

#include "state/store_files.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_ENDING ".pth.tar"
#define STORE_LAST "last" STORE_ENDING /* links to the newest and the best */
#define STORE_BEST "best" STORE_ENDING

enum { STORE_NAME_BYTES = 64, STORE_RUN_BYTES = 65 };

typedef struct Generation {
    char name[STORE_NAME_BYTES]; /* "step-000000001200.pth.tar" */
    int64_t step;
    bool trained; /* saved before an evaluation: until the next save */
    FileSum sum; /* sha "" when the manifest does not know it */
} Generation;

typedef struct Listing {
    Generation *items; /* [count], oldest save first; malloc'd */
    int count;
    char best[STORE_NAME_BYTES]; /* "" when there is none */
    char run[STORE_RUN_BYTES];   /* identity of the run; "": unknown (before 0.2) */
    int set_aside;               /* files of the folder that are checkpoints renamed NAME.damaged */
} Listing;

/* Sets the name of a step's checkpoint; copy 1 is the first of a step, 2 the next. */
void generation_name(Generation *generation, int copy);
/* Whether a file name is that of a checkpoint of ours; then sets name, step and `trained`. */
bool generation_parse(const char *name, Generation *generation);

/* Inserts at a place. */
void listing_add(Listing *listing, const Generation *generation, int at);
/* Removes from a place; the best one, too, is then none. */
void listing_drop(Listing *listing, int at);
/* The place of a name, or -1. */
int listing_find(const Listing *listing, const char *name);
/* The newest; there must be one. */
const Generation *listing_newest(const Listing *listing);
void listing_copy(const Listing *from, Listing *to);
void listing_free(Listing *listing);
/* Adds checkpoints of the folder that are not listed: a later step than the newest was saved after
 * it, and so was the same one behind its evaluation; others are taken as the oldest. Counts those
 * set aside. No folder, no checkpoints. */
Status listing_scan(const char *folder, Listing *listing);
/* Takes the best one from the folder's link, where it leads to a listed one. */
void listing_take_best(const char *folder, Listing *listing);

#endif
