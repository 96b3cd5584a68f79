/* paco presets: the published recipes, with their published accuracy; one of them with all its
 * values. */
#include "base/log.h"
#include "options/presets.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const char usage_presets[] =
    "usage: paco presets [NAME]\n\nLists the published recipes, or all values of one.";

int verb_presets(int argc, char **argv)
{
    Status status = STATUS_OK;
    if (argc == 1)
        presets_print(stdout);
    else if (argc == 2 && argv[1][0] != '-')
        status = preset_print(argv[1], stdout);
    else
        status = status_fail(STATUS_USAGE, "presets: at most one name is expected");
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return status;
}
