/* A file of its own, as the simulated GPU has another NCCL. */
#include "nccl_load.h"

#include "base/libraries.h"

#include <dlfcn.h>
#include <stdio.h>

#define NCCL_FILE "libnccl.so.2"

void *nccl_find(char why[GROUP_TEXT])
{
    void *library = dlopen(NCCL_FILE, RTLD_NOW | RTLD_LOCAL);
    if (library)
        return library;
    libraries_preload(NCCL_FILE);
    library = dlopen(NCCL_FILE, RTLD_NOW | RTLD_LOCAL);
    const char *error = library ? NULL : dlerror();
    if (!library)
        snprintf(why, GROUP_TEXT, "%s", error ? error : "no " NCCL_FILE);
    return library;
}
