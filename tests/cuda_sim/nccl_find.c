/* The stand-in for NCCL: libnccl.so.2 beside this module. It works in the streams that are told to it here.
 * PACO_SIM_NCCL=absent: there is none. */
#include "nccl_load.h"
#include "sim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *nccl_find(char why[GROUP_TEXT])
{
    static const char here;
    const char *wish = getenv("PACO_SIM_NCCL");
    char path[4096];
    Dl_info module;
    dladdr(&here, &module);
    int folder = (int)(strrchr(module.dli_fname, '/') - module.dli_fname);
    bool absent = wish && strcmp(wish, "absent") == 0;
    snprintf(path, sizeof path, "%.*s/%s", folder, module.dli_fname, absent ? "no-libnccl.so.2" : "libnccl.so.2");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    static const SimStreams streams = {sim_enqueue_try, sim_hurry};
    void (*tell)(const SimStreams *) = NULL;
    void *symbol = library ? dlsym(library, "sim_nccl_streams") : NULL;
    memcpy(&tell, &symbol, sizeof symbol);
    if (tell)
        tell(&streams);
    else
        snprintf(why, GROUP_TEXT, "%s", dlerror());
    return tell ? library : NULL;
}
