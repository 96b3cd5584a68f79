/* paco --version: which program this is: version, commit, and the backends that it finds. */
#include "verbs.h"

#include "device/registry.h"
#include "paco_version.h"

#include <stdio.h>

const char *version_text(void)
{
    return PACO_VERSION " (commit " PACO_COMMIT ")";
}

const char *program_version(void)
{
    return PACO_VERSION;
}

const char *program_commit(void)
{
    return PACO_COMMIT;
}

int print_version(void)
{
    printf("paco %s\n", version_text());
    for (int i = 0; i < registry_count(); i++) {
        const BackendRow *row = registry_row(i);
        if (row->backend)
            printf("backend %s: %s, %d device%s\n", row->name, row->path, row->devices,
                   row->devices == 1 ? "" : "s");
        else
            printf("backend %s: absent: %s\n", row->name, row->why);
    }
    return STATUS_OK;
}
