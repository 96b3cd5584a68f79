/* paco devices: every backend and device this program can see, and why one is absent. */
#include "device/registry.h"

#include "base/log.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static void print_caps(uint32_t caps)
{
    const char *before = "";
#define X(name, bit, word)            \
    if (caps & CAP_##name) {          \
        printf("%s%s", before, word); \
        before = ", ";                \
    }
    DEVICE_CAP_LIST(X)
#undef X
}

static void print_device(const BackendRow *row, int index)
{
    DeviceInfo info;
    if (row->backend->info(index, &info) != STATUS_OK) {
        printf("%s:%d  unusable: %s\n", row->name, index, status_text());
        return;
    }
    printf("%s:%d  %s\n", row->name, index, info.name);
    if (info.why[0])
        printf("    unusable      %s\n", info.why);
    printf("    platform      %s (%s)\n", info.platform, info.version);
    printf("    vendor        %s\n", info.vendor);
    printf("    driver        %s\n", info.driver);
    printf("    memory        %.2f GiB, at most %.2f GiB in one buffer\n",
           (double)info.memory / (1 << 30), (double)info.max_alloc / (1 << 30));
    printf("    units         %u, work-groups of up to %u, %u KiB local memory\n", info.units,
           info.max_group, info.local_memory / 1024);
    printf("    layout        channel blocks of %d, places aligned to %u bytes\n",
           info.channel_block, info.alignment);
    printf("    capabilities  ");
    print_caps(info.caps);
    printf("\n");
}

int verb_devices(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        puts("usage: paco devices\n\nLists every backend and device under the name that --device "
             "takes, and why one is "
             "missing.\n`--device ref`, the float64 reference, is always there.");
        return STATUS_OK;
    }
    if (argc > 1) {
        log_error("devices: unexpected argument '%s'. `paco devices --help` explains", argv[1]);
        return STATUS_USAGE;
    }
    for (int i = 0; i < registry_count(); i++) {
        const BackendRow *row = registry_row(i);
        if (row->why[0])
            printf("%s  absent: %s\n", row->name, row->why);
        for (int d = 0; d < row->devices; d++)
            print_device(row, d);
    }
    return STATUS_OK;
}
