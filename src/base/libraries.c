#include "base/libraries.h"

#include "base/log.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 4096 };

/* Where Python's packages lie below a prefix. */
static const char *const packages[] = {"lib/python3*/site-packages", "lib/python3*/dist-packages",
                                       "lib/python3/dist-packages"};

/* What a file of this name in a folder that matches gives; false: there is none that loads. */
static bool load_from(const char *prefix, const char *below, const char *name)
{
    char pattern[PATH_ROOM];
    glob_t found;
    bool loaded = false;
    snprintf(pattern, sizeof pattern, "%s/%s/nvidia/*/lib/%s", prefix, below, name);
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = found.gl_pathc; i-- > 0 && !loaded;) { /* the newest Python last */
        loaded = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_GLOBAL);
        log_debug(1, "%s: %s", found.gl_pathv[i], loaded ? "loaded" : dlerror());
    }
    globfree(&found);
    return loaded;
}

static void load_anywhere(const char *name)
{
    char user[PATH_ROOM] = "";
    const char *home = getenv("HOME");
    if (home && *home)
        snprintf(user, sizeof user, "%s/.local", home);
    const char *prefixes[] = {getenv("VIRTUAL_ENV"), getenv("CONDA_PREFIX"), user, "/usr/local",
                              "/usr"};
    bool loaded = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        for (size_t j = 0; prefixes[i] && *prefixes[i] && j < sizeof packages / sizeof *packages;
             j++)
            loaded = loaded || load_from(prefixes[i], packages[j], name);
}

void libraries_preload(const char *names)
{
    while (*names) {
        char name[128];
        size_t length = strcspn(names, " ");
        snprintf(name, sizeof name, "%.*s", (int)length, names);
        load_anywhere(name);
        names += length + strspn(names + length, " ");
    }
}
