/* Waiting for the device. In a group the device may wait for other processes, and one of them may
 * be gone: then nothing blocks, but asks again and again, how NCCL is, too, and says what it is
 * that the others keep it waiting for. */
#ifndef PACO_CUDA_WAIT_H
#define PACO_CUDA_WAIT_H

#include "nccl_load.h"

/* A collective on its way. */
typedef struct Mark {
    const char *what;
    cudaEvent_t begin, end;
} Mark;

enum { GROUP_MARKS = 32 };

/* A device's part in a group. */
struct Group {
    const Nccl *nccl;
    ncclComm_t comm;
    bool joined;
    DeviceGroup is; /* its arrays are the group's own */
    cudaStream_t stream;
    cudaEvent_t ready;       /* on the device's stream: what is to be exchanged is there */
    Mark marks[GROUP_MARKS]; /* a ring */
    uint64_t begun, done;    /* collectives, and how many of them are known to be done */
    const char *said;        /* what is waited for, as it was said; NULL: nothing */
    uint64_t said_of;        /* the number of that collective */
    double since;            /* when */
    Buffer *scratch;         /* other processes' pieces of a slice */
    int64_t room;            /* floats of scratch for a piece */
};

/* As cudaEventSynchronize and cudaStreamSynchronize. */
Status wait_event(Device *device, cudaEvent_t event, const char *where);
Status wait_stream(Device *device, cudaStream_t stream, const char *where);
/* Until NCCL has taken what it was asked for last, at most for the group's patience. */
Status wait_nccl(Group *group, const char *what);
/* Ends the group and tells its owner with the text of the latest failure; returns that. */
Status wait_lost(Group *group, Status status);

/* Whether every collective that was begun is done. */
bool wait_rests(Group *group);

#endif
