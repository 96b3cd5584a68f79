/* paco devices: every backend and device this program can see, and why one is absent. */
#include "comm/comm.h"
#include "device/registry.h"

#include "base/log.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const char usage_devices[] =
    "usage: paco devices\n\n"
    "Lists every backend and device under the name that --device takes, and why one is missing; "
    "those on paper are for\n"
    "`paco plan`. `--device ref`, the float64 reference, is always there. Behind them: the engines "
    "(MPI) that can start\n"
    "several processes, `paco train --nproc`.";

int verb_devices(int argc, char **argv)
{
    if (argc > 1) {
        log_error("devices: unexpected argument '%s'. `paco devices --help` explains", argv[1]);
        return STATUS_USAGE;
    }
    registry_list(stdout);
    comm_list(stdout);
    return STATUS_OK;
}
