/* Opening a device: which kernels it is to run, the context, the queue.
 *
 * DeviceOptions.threads limits a processor to some of its cores through a sub-device where the
 * driver can partition (PoCL can); where it cannot, the option is refused. Other devices pass over
 * it. */
#include "open.h"

#include "algorithms.h"
#include "clblast.h"
#include "discover.h"
#include "dot.h"
#include "gemm.h"
#include "memory.h"
#include "program.h"
#include "transfer.h"

#include "base/arena.h"
#include "device/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How the members of a team join what they found. */
typedef enum Teams { TEAMS_BY_DEVICE, TEAMS_LOCAL, TEAMS_SUBGROUPS } Teams;

/* One word of DeviceOptions.kernels. False: it says nothing to this backend. */
static bool read_word(Device *device, const char *word, size_t length, Teams *teams)
{
    if (word_is(word, length, "cpu"))
        device->cpu_kernels = true;
    else if (word_is(word, length, "gpu"))
        device->cpu_kernels = false;
    else if (word_is(word, length, "channels-last"))
        device->info.channel_block = 0;
    else if (word_is(word, length, "teams=local"))
        *teams = TEAMS_LOCAL;
    else if (word_is(word, length, "teams=subgroups"))
        *teams = TEAMS_SUBGROUPS;
    else
        return algorithms_force(device, word, length);
    return true;
}

static Status read_kernels(Device *device, const char *kernels, Teams *teams)
{
    *teams = TEAMS_BY_DEVICE;
    device->cpu_kernels = device->info.caps & CAP_CPU;
    for (const char *word = kernels ? kernels : ""; *word;) {
        size_t length = strcspn(word, ",");
        if (!read_word(device, word, length, teams))
            return status_fail(STATUS_USAGE,
                               "opencl: kernels %.*s: neither cpu, gpu nor an op=algorithm of this "
                               "backend, such as conv.forward=cpu-band",
                               (int)length, word);
        word += length + (word[length] == ',');
    }
    /* What the rest of the program sees is the kind of kernels in use. */
    device->info.channel_multiple = device->cpu_kernels ? 16 : 8; /* whole vectors */
    device->info.caps =
        (device->info.caps & ~(uint32_t)CAP_CPU) | (device->cpu_kernels ? CAP_CPU : 0);
    return STATUS_OK;
}

/* Teams join what their members found through sub-groups where the device shuffles within them.
 * Teams of 64 do without: a sub-group may be larger than they are. */
static Status choose_teams(Device *device, Teams teams)
{
    unsigned team = device_team(&device->info);
    bool can = (device->info.caps & CAP_SUBGROUPS) && team >= 128;
    if (teams == TEAMS_SUBGROUPS && !can)
        return status_fail(
            STATUS_USAGE,
            "opencl: kernels teams=subgroups: %s has no cl_khr_subgroup_shuffle, or too "
            "small work-groups",
            device->info.name);
    bool subgroups = can && !device->cpu_kernels && teams != TEAMS_LOCAL;
    const char *version = strstr(device->info.version, "OpenCL 3") ? "3.0" : "2.0";
    const char *layout = device->info.channel_block ? "" : " -DCHANNELS_LAST";
    if (device->cpu_kernels)
        snprintf(device->team_options, sizeof device->team_options, "-DLANES=16%s", layout);
    else if (subgroups)
        snprintf(device->team_options, sizeof device->team_options,
                 "-DLANES=4 -DTEAM=%u%s -DSUBGROUPS -cl-std=CL%s", team, layout, version);
    else
        snprintf(device->team_options, sizeof device->team_options, "-DLANES=4 -DTEAM=%u%s", team,
                 layout);
    return STATUS_OK;
}

/* Narrows a processor to `threads` cores; units of other devices are no cores, and few drivers part
 * them. */
static Status take_cores(Device *device, bool processor, int threads)
{
    if (!processor || threads <= 0 || (uint32_t)threads >= device->info.units)
        return STATUS_OK;
    const cl_device_partition_property how[] = {CL_DEVICE_PARTITION_BY_COUNTS, threads,
                                                CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id part;
    CL_TRY(clCreateSubDevices(device->id, how, 1, &part, NULL),
           "limiting the threads (clCreateSubDevices)");
    device->parent = device->id;
    device->id = part;
    device->info.units = (uint32_t)threads;
    return STATUS_OK;
}

void open_close(Device *device)
{
    if (!device)
        return;
    if (device->queue)
        clFinish(device->queue);
    transfer_close(device);
    clblast_close(device);
    program_release_all(device);
    if (device->dummy)
        memory_release(device, device->dummy);
    if (device->queue)
        clReleaseCommandQueue(device->queue);
    if (device->context)
        clReleaseContext(device->context);
    if (device->parent)
        clReleaseDevice(device->id);
    free(device->cache);
    free(device);
}

static Status open_found(Device *device, Found found, const DeviceOptions *options)
{
    device->id = found.device;
    device->profile = options->profile;
    if (device->info.why[0])
        return status_fail(STATUS_DEVICE, "opencl: %s: %s", device->info.name, device->info.why);
    bool processor = device->info.caps & CAP_CPU;
    device->narrow = discover_number(device->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) < 16;
    Teams teams;
    TRY(read_kernels(device, options->kernels, &teams));
    TRY(choose_teams(device, teams));
    clblast_open(device, processor, algorithms_forced(device, ALGORITHM_GEMM, &gemm_clblast));
    TRY(take_cores(device, processor, options->threads));
    cl_int code;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)found.platform, 0};
    device->context = clCreateContext(properties, 1, &device->id, NULL, NULL, &code);
    CL_TRY(code, "clCreateContext");
    device->queue = clCreateCommandQueue(device->context, device->id,
                                         options->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    CL_TRY(code, "clCreateCommandQueue");
    device->cache = program_cache_folder(options->cache);
    TRY(memory_alloc(device, DUMMY_BYTES, &device->dummy));
    device->dot_bf16 = processor && dot_works(device);
    return STATUS_OK;
}

Status open_index(int index, const DeviceOptions *options, Device **out)
{
    Found found;
    DeviceInfo info;
    *out = NULL;
    TRY(discover(index, &found, &info));
    Device *device = mem_zero(1, sizeof *device);
    device->info = info;
    Status status = open_found(device, found, options);
    if (status != STATUS_OK)
        open_close(device);
    else
        *out = device;
    return status;
}
