#include "nccl_load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int version_of(const Nccl *nccl)
{
    int version = 0;
    return nccl->ncclGetVersion(&version) == NCCL_SUCCESS ? version : 0;
}

/* All functions, or why it is of no use. */
static bool resolve(void *library, Nccl *nccl, char why[GROUP_TEXT])
{
    void *symbol;
#define X(type, name, parameters)                                                                  \
    symbol = dlsym(library, #name);                                                                \
    memcpy(&nccl->name, &symbol, sizeof symbol); /* ISO C has no cast from object to function */   \
    if (!symbol) {                                                                                 \
        snprintf(why, GROUP_TEXT, "libnccl.so.2 has no " #name);                                   \
        return false;                                                                              \
    }
    NCCL_LIST(X)
#undef X
    if (version_of(nccl) >= NCCL_LEAST)
        return true;
    snprintf(why, GROUP_TEXT, "libnccl.so.2 is too old (%d): %d.%d or newer is needed",
             version_of(nccl), NCCL_LEAST / 10000, NCCL_LEAST / 100 % 100);
    return false;
}

const Nccl *nccl_load(char why[GROUP_TEXT])
{
    static Nccl nccl;
    static char reason[GROUP_TEXT];
    static bool tried, there;
    if (!tried) {
        void *library = nccl_find(reason);
        there = library && resolve(library, &nccl, reason);
    }
    tried = true;
    memcpy(why, reason, GROUP_TEXT);
    return there ? &nccl : NULL;
}

bool nccl_groups(const Device *device, char text[GROUP_TEXT])
{
    if (device && !device->nccl) {
        snprintf(text, GROUP_TEXT, "--kernels nccl=off");
        return false;
    }
    const Nccl *nccl = nccl_load(text);
    int version = nccl ? version_of(nccl) : 0;
    if (nccl)
        snprintf(text, GROUP_TEXT, "NCCL %d.%d.%d", version / 10000, version / 100 % 100,
                 version % 100);
    return nccl;
}

Status nccl_group_id(uint8_t bytes[GROUP_ID])
{
    char why[GROUP_TEXT];
    ncclUniqueId id;
    const Nccl *nccl = nccl_load(why);
    if (!nccl)
        return status_fail(STATUS_DEVICE, "NCCL: %s", why);
    ncclResult_t code = nccl->ncclGetUniqueId(&id);
    _Static_assert(sizeof id == GROUP_ID, "");
    memcpy(bytes, &id, sizeof id);
    return code == NCCL_SUCCESS ? STATUS_OK : nccl_fail(code, NULL, "an id");
}

Status nccl_fail(ncclResult_t code, ncclComm_t comm, const char *where)
{
    char why[GROUP_TEXT];
    const Nccl *nccl = nccl_load(why);
    const char *more = nccl->ncclGetLastError(comm);
    return status_fail(STATUS_DEVICE, "NCCL: %s: %s%s%s", where, nccl->ncclGetErrorString(code),
                       more && *more ? ": " : "", more ? more : "");
}
