/* What is used of NCCL, declared as its header has it, so that building needs no NCCL. Where nccl.h
 * is included before, its types count: tests/nccl_header.c compares. */
#ifndef PACO_CUDA_NCCL_API_H
#define PACO_CUDA_NCCL_API_H

#include <limits.h>
#include <stddef.h>

/* ncclConfig_t as of NCCL_LEAST, whose fields later versions keep: they know its size. */
typedef struct NcclConfig {
    size_t size;
    unsigned magic, version;
    int blocking, cluster, least_blocks, most_blocks;
    const char *net;
    int split, behind; /* behind: where newer versions have a field */
} NcclConfig;

enum { NCCL_LEAST = 21800, NCCL_MAGIC = (int)0xcafebeef, NCCL_UNDEFINED = INT_MIN };
enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7 };
enum { NCCL_BYTES = 0, NCCL_FLOATS = 7, NCCL_ADD = 0 };

#ifndef NCCL_MAJOR
typedef struct ncclComm *ncclComm_t;
typedef struct {
    char internal[128];
} ncclUniqueId;
typedef NcclConfig ncclConfig_t;
typedef unsigned ncclResult_t, ncclDataType_t, ncclRedOp_t;
#endif

/* X(result, name, parameters): the one list of its functions. */
#define NCCL_LIST(X)                                                                               \
    X(ncclResult_t, ncclGetVersion, (int *version))                                                \
    X(const char *, ncclGetErrorString, (ncclResult_t code))                                       \
    X(const char *, ncclGetLastError, (ncclComm_t comm))                                           \
    X(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * id))                                          \
    X(ncclResult_t, ncclCommInitRankConfig,                                                        \
      (ncclComm_t * comm, int count, ncclUniqueId id, int index, ncclConfig_t *config))            \
    X(ncclResult_t, ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t *code))                  \
    X(ncclResult_t, ncclCommFinalize, (ncclComm_t comm))                                           \
    X(ncclResult_t, ncclCommDestroy, (ncclComm_t comm))                                            \
    X(ncclResult_t, ncclCommAbort, (ncclComm_t comm))                                              \
    X(ncclResult_t, ncclGroupStart, (void))                                                        \
    X(ncclResult_t, ncclGroupEnd, (void))                                                          \
    X(ncclResult_t, ncclSend,                                                                      \
      (const void *from, size_t count, ncclDataType_t type, int to, ncclComm_t comm,               \
       cudaStream_t stream))                                                                       \
    X(ncclResult_t, ncclRecv,                                                                      \
      (void *to, size_t count, ncclDataType_t type, int from, ncclComm_t comm,                     \
       cudaStream_t stream))                                                                       \
    X(ncclResult_t, ncclAllGather,                                                                 \
      (const void *from, void *to, size_t each, ncclDataType_t type, ncclComm_t comm,              \
       cudaStream_t stream))                                                                       \
    X(ncclResult_t, ncclBroadcast,                                                                 \
      (const void *from, void *to, size_t count, ncclDataType_t type, int root, ncclComm_t comm,   \
       cudaStream_t stream))                                                                       \
    X(ncclResult_t, ncclAllReduce,                                                                 \
      (const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,              \
       ncclComm_t comm, cudaStream_t stream))

#endif
