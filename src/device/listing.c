/* The listing of `paco devices`: every backend and device that this program can see, those on paper
 * behind them, and why one is absent. */
#include "device/registry.h"

#include "device/advice.h"

static void print_caps(uint32_t caps, FILE *out)
{
    const char *before = "";
#define X(name, bit, word)                                                                         \
    if (caps & CAP_##name) {                                                                       \
        fprintf(out, "%s%s", before, word);                                                        \
        before = ", ";                                                                             \
    }
    DEVICE_CAP_LIST(X)
#undef X
}

static void print_info(const DeviceInfo *info, FILE *out)
{
    fprintf(out, "    platform      %s (%s)\n", info->platform, info->version);
    fprintf(out, "    vendor        %s\n", info->vendor);
    fprintf(out, "    driver        %s\n", info->driver);
    fprintf(out, "    memory        %.2f GiB, at most %.2f GiB in one buffer\n",
           (double)info->memory / (1 << 30), (double)info->max_alloc / (1 << 30));
    fprintf(out, "    units         %u, work-groups of up to %u, %u KiB local memory\n",
           info->units, info->max_group, info->local_memory / 1024);
    if (info->channel_block)
        fprintf(out, "    layout        channel blocks of %d", info->channel_block);
    else
        fprintf(out, "    layout        channels last, padded to a multiple of %d",
                info->channel_multiple);
    fprintf(out, ", places aligned to %u bytes\n", info->alignment);
    fprintf(out, "    capabilities  ");
    print_caps(info->caps, out);
    fprintf(out, "\n");
}

static void print_device(const BackendRow *row, int index, FILE *out)
{
    DeviceInfo info;
    if (row->backend->info(index, &info) != STATUS_OK) {
        fprintf(out, "%s:%d  unusable: %s\n", row->name, index, status_text());
        return;
    }
    fprintf(out, "%s:%d  %s\n", row->name, index, info.name);
    if (info.why[0])
        fprintf(out, "    unusable      %s\n", info.why);
    print_info(&info, out);
    const BadDriver *bad = advice_bad_driver(&info);
    if (bad)
        fprintf(out, "    known bad     %s: %s\n", bad->what, bad->instead);
}

/* Whether processes can exchange values between the backend's devices. */
static void print_groups(const BackendRow *row, FILE *out)
{
    char text[GROUP_TEXT];
    if (!row->backend || !row->backend->groups)
        return;
    bool there = row->backend->groups(NULL, text);
    fprintf(out, "%s  %s%s\n", row->name,
            there ? "processes exchange gradients between its devices by "
                  : "processes exchange gradients through the host's memory: ",
            text);
}

static void print_paper(const BackendRow *row, int i, FILE *out)
{
    const DeviceOptions options = {.plan_only = true};
    Device *device;
    fprintf(out, "%s:%s  ", row->name, row->backend->papers[i]);
    if (row->backend->open_paper(i, &options, &device) != STATUS_OK) {
        fprintf(out, "unusable: %s\n", status_text());
        return;
    }
    const DeviceInfo *info = row->backend->opened(device);
    fprintf(out, "%s\n", info->name);
    fprintf(out, "    for           `paco plan` alone: a description without a device\n");
    print_info(info, out);
    row->backend->close(device);
}

void registry_list(FILE *out)
{
    for (int i = 0; i < registry_count(); i++) {
        const BackendRow *row = registry_row(i);
        if (row->why[0])
            fprintf(out, "%s  absent: %s\n", row->name, row->why);
        for (int d = 0; d < row->devices; d++)
            print_device(row, d, out);
        print_groups(row, out);
        for (int p = 0; row->backend && row->backend->papers && row->backend->papers[p]; p++)
            print_paper(row, p, out);
    }
    advice_list(out);
}
