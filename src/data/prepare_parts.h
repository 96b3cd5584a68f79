/* Private to prepare: the lists on their way. prepare.c opens and checks them, prepare_paths.c
 * finds where their images lie, prepare_write.c writes what is made of them. */
#ifndef PACO_DATA_PREPARE_PARTS_H
#define PACO_DATA_PREPARE_PARTS_H

#include "data/datacheck.h"
#include "data/prepare.h"

/* One published list; data NULL: there is none in this split. */
typedef struct PreparedList {
    char *file;
    Dataset *data; /* its names are paths below `root` of the request, once found */
    DataCheck check;
    bool *absent; /* [count] images to leave out; NULL: none */
    int64_t kept; /* images without those */
    const PathLayout *listed, *found; /* NULL: in none that is known */
} PreparedList;

typedef struct Prepare {
    const PrepareRequest *request;
    FILE *report;
    Arena arena;
    PreparedList lists[SPLIT_COUNT];
    int classes;
    const char **folders; /* [classes] the class as its paths have it; NULL: none says */
    bool unlike;          /* something is not as published */
} Prepare;

extern const char *const split_words[SPLIT_COUNT];

/* Whether the paths of a list can be below a folder, and stand in a line; STATUS_INPUT. */
Status prepare_check_paths(const PreparedList *list);
/* Learns which folder is which class; STATUS_INPUT where two are one, or one is two. */
Status prepare_learn_folders(Prepare *p);
/* Whether the images of a list may lie so. */
bool prepare_may_lie(const Prepare *p, const PreparedList *list, const PathLayout *layout);
/* Decides for each list where its images lie, by what is there, and makes its paths so. */
void prepare_find(Prepare *p);

/* Writes the lists and class names. */
Status prepare_write(Prepare *p);

#endif
