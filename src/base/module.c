/* PACO_MODULES, the modules' folder as seen from the program's, comes from CMakeLists.txt. Modules
 * stay loaded until the program ends: drivers behind them do not survive dlclose. */
#include "base/module.h"

#include "base/file.h"
#include "base/log.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Search {
    const char *file, *entry, *context;
    void (*again)(const char *context);
    char *path, *why; /* [512] */
    void *symbol;
} Search;

/* Loads the module from a folder where it is there. false: not there. */
static bool load_from(Search *s, const char *folder)
{
    char *path = file_join(folder, s->file);
    bool found = file_exists(path);
    if (found) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle && s->again) {
            s->again(s->context);
            handle = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* which says what is missing still */
        }
        s->symbol = handle ? dlsym(handle, s->entry) : NULL;
        const char *error = s->symbol ? NULL : dlerror();
        if (!s->symbol)
            snprintf(s->why, 512, "%.480s", error ? error : "no entry of that name");
        else
            snprintf(s->path, 512, "%s", path);
    }
    free(path);
    return found;
}

void *module_entry(const char *file, const char *entry, void (*again)(const char *context),
                   const char *context, char path[512], char why[512])
{
    Search s = {file, entry, context, again, path, why, NULL};
    const char *chosen = getenv("PACO_BACKENDS");
    char *beside = file_program_folder();
    char *installed = beside ? file_join(beside, PACO_MODULES) : NULL;
    const char *folders[] = {chosen, beside, installed};
    bool found = false;
    if (chosen && *chosen && !file_exists(chosen))
        log_warn("PACO_BACKENDS: no such folder (%s)", chosen);
    for (int i = 0; i < 3 && !found; i++)
        found = folders[i] && *folders[i] && load_from(&s, folders[i]);
    if (!found)
        snprintf(why, 512,
                 "no module %s beside the program, in " PACO_MODULES " or in PACO_BACKENDS", file);
    free(beside);
    free(installed);
    return s.symbol;
}
