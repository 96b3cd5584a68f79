/* Compiled where there is an nccl.h: what backend_cuda/nccl_api.h declares of NCCL is what that has. */
#include <cuda_runtime_api.h>
#include <nccl.h>

#include "nccl_api.h"

#define SAME_TYPE(a, b) __builtin_types_compatible_p(a, b)
#define X(type, name, parameters)                                                                  \
    _Static_assert(SAME_TYPE(__typeof__(&name), type(*) parameters), #name);
NCCL_LIST(X)
#undef X

#define SAME_FIELD(own, theirs)                                                                    \
    _Static_assert(offsetof(NcclConfig, own) == offsetof(ncclConfig_t, theirs) &&                  \
                       SAME_TYPE(__typeof__(((NcclConfig *)0)->own),                               \
                                 __typeof__(((ncclConfig_t *)0)->theirs)),                         \
                   #theirs)
SAME_FIELD(size, size);
SAME_FIELD(magic, magic);
SAME_FIELD(version, version);
SAME_FIELD(blocking, blocking);
SAME_FIELD(cluster, cgaClusterSize);
SAME_FIELD(least_blocks, minCTAs);
SAME_FIELD(most_blocks, maxCTAs);
SAME_FIELD(net, netName);
SAME_FIELD(split, splitShare);
_Static_assert(sizeof(NcclConfig) <= sizeof(ncclConfig_t), "a newer version's is longer");

_Static_assert(NCCL_LEAST <= NCCL_VERSION_CODE && NCCL_LEAST == NCCL_VERSION(2, 18, 0), "");
_Static_assert(NCCL_UNDEFINED == NCCL_CONFIG_UNDEF_INT, "");
#ifdef NCCL_API_MAGIC
_Static_assert((unsigned)NCCL_MAGIC == NCCL_API_MAGIC, "");
#endif
_Static_assert(NCCL_SUCCESS == (int)ncclSuccess && NCCL_IN_PROGRESS == (int)ncclInProgress, "");
_Static_assert(NCCL_BYTES == (int)ncclInt8 && NCCL_FLOATS == (int)ncclFloat32, "");
_Static_assert(NCCL_ADD == (int)ncclSum && sizeof(ncclUniqueId) == 128, "");
