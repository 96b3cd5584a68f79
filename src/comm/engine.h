/* The contract between the program and an engine that starts processes and moves bytes between them
 * (an installation of MPI): a module with one exported symbol, `paco_engine`, a function that
 * returns a const CommEngine.
 *
 * Transfers are begun and polled: none of these calls waits for a peer, except start and finish.
 * Memory of a transfer stays untouched until it is done. All calls come from one thread. */
#ifndef PACO_COMM_ENGINE_H
#define PACO_COMM_ENGINE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMM_ENGINE_ABI = 1 };
enum { COMM_TRANSFER_MAX = 1 << 28 }; /* bytes of one transfer at most */

typedef struct CommEngine {
    uint32_t abi;        /* COMM_ENGINE_ABI */
    const char *version; /* "4.1.4" */
    /* How many processes there are, and which of them this one is. */
    Status (*start)(int *count, int *index);
    void (*finish)(void);
    /* Ends the job, as far as the engine can. May return. */
    void (*abort)(int code);
    /* Each begins a transfer and returns its number, -1 where the engine fails. Messages from one
     * process to another arrive in the order in which they are sent. */
    int (*send)(const void *data, size_t bytes, int to);
    int (*receive)(void *data, size_t bytes, int from);
    /* In place: data[count][each]; slice `index` is this process's. */
    int (*gather)(void *data, size_t each);
    int (*broadcast)(void *data, size_t bytes);      /* from process 0 */
    int (*sum)(void *data, size_t count, bool wide); /* floats, or doubles; of all, in any order */
    /* 1: done, and its number is free; 0: not yet; -1: the engine fails. */
    int (*done)(int transfer);
} CommEngine;

typedef const CommEngine *CommEngineEntry(void);

#endif
