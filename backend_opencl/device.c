/* Devices of all OpenCL platforms: discovery, what they can do, opening and closing.
 *
 * DeviceOptions.threads limits a processor to some of its cores through a sub-device where the
 * driver can partition (PoCL can); where it cannot, the option is refused. Other devices pass over
 * it. */
#include "opencl.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLATFORMS_MAX = 16, DEVICES_MAX = 64, CHANNEL_BLOCK = 16 };

static const struct {
    cl_int code;
    const char *name;
} code_names[] = {
#define CODE(name)       \
    {                    \
        CL_##name, #name \
    }
    CODE(DEVICE_NOT_FOUND),
    CODE(DEVICE_NOT_AVAILABLE),
    CODE(COMPILER_NOT_AVAILABLE),
    CODE(MEM_OBJECT_ALLOCATION_FAILURE),
    CODE(OUT_OF_RESOURCES),
    CODE(OUT_OF_HOST_MEMORY),
    CODE(BUILD_PROGRAM_FAILURE),
    CODE(INVALID_VALUE),
    CODE(INVALID_DEVICE),
    CODE(INVALID_CONTEXT),
    CODE(INVALID_MEM_OBJECT),
    CODE(INVALID_BINARY),
    CODE(INVALID_BUILD_OPTIONS),
    CODE(INVALID_PROGRAM),
    CODE(INVALID_PROGRAM_EXECUTABLE),
    CODE(INVALID_KERNEL_NAME),
    CODE(INVALID_KERNEL),
    CODE(INVALID_ARG_INDEX),
    CODE(INVALID_ARG_VALUE),
    CODE(INVALID_ARG_SIZE),
    CODE(INVALID_KERNEL_ARGS),
    CODE(INVALID_WORK_DIMENSION),
    CODE(INVALID_WORK_GROUP_SIZE),
    CODE(INVALID_WORK_ITEM_SIZE),
    CODE(INVALID_EVENT),
    CODE(INVALID_OPERATION),
    CODE(INVALID_BUFFER_SIZE),
    CODE(INVALID_GLOBAL_WORK_SIZE),
    CODE(MISALIGNED_SUB_BUFFER_OFFSET),
    CODE(DEVICE_PARTITION_FAILED),
    CODE(PROFILING_INFO_NOT_AVAILABLE),
#undef CODE
};

Status opencl_fail(cl_int code, const char *where)
{
    const char *name = "code";
    for (size_t i = 0; i < sizeof code_names / sizeof *code_names; i++)
        if (code_names[i].code == code)
            name = code_names[i].name;
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
    return status_fail(memory ? STATUS_LIMIT : STATUS_DEVICE, "opencl: %s: %s (%d)", where, name,
                       code);
}

/* ---- discovery */

typedef struct Found {
    cl_platform_id platform;
    cl_device_id device;
} Found;

/* All devices of all platforms, in the drivers' order. */
static Status find_all(Found *found, int *count)
{
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_uint platform_count = 0;
    *count = 0;
    cl_int code = clGetPlatformIDs(PLATFORMS_MAX, platforms, &platform_count);
    if (code != CL_SUCCESS || platform_count == 0)
        return status_fail(STATUS_DEVICE,
                           "opencl: no OpenCL platform is installed. Install a driver (ICD), for "
                           "processors pocl-opencl-icd");
    for (cl_uint p = 0; p < platform_count && p < PLATFORMS_MAX; p++) {
        cl_device_id ids[DEVICES_MAX];
        cl_uint n = 0;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, DEVICES_MAX, ids, &n) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < n && *count < DEVICES_MAX; d++)
            found[(*count)++] = (Found){platforms[p], ids[d]};
    }
    if (*count == 0)
        return status_fail(STATUS_DEVICE,
                           "opencl: %u platform%s, but no device. Install the driver of your "
                           "device, for processors "
                           "pocl-opencl-icd, which needs a cache folder that it can write (HOME, "
                           "XDG_CACHE_HOME or "
                           "POCL_CACHE_DIR)",
                           platform_count, platform_count == 1 ? "" : "s");
    return STATUS_OK;
}

static Status device_count(int *count)
{
    Found found[DEVICES_MAX];
    return find_all(found, count);
}

static void get_text(cl_device_id id, cl_device_info what, char *to, size_t size)
{
    char text[1024] = "";
    clGetDeviceInfo(id, what, sizeof text - 1, text, NULL);
    snprintf(to, size, "%s", text + strspn(text, " "));
}

static uint64_t get_number(cl_device_id id, cl_device_info what)
{
    uint64_t value = 0;
    clGetDeviceInfo(id, what, sizeof value, &value,
                    NULL); /* little-endian: a shorter answer fits too */
    return value;
}

/* Why a device cannot be used, or "". */
static const char *unusable(cl_device_id id, const DeviceInfo *info)
{
    int major = 0, minor = 0;
    if (sscanf(info->version, "OpenCL %d.%d", &major, &minor) != 2 || major * 10 + minor < 12)
        return "OpenCL 1.2 is needed";
    if (!get_number(id, CL_DEVICE_AVAILABLE))
        return "the driver says it is not available";
    if (!get_number(id, CL_DEVICE_COMPILER_AVAILABLE))
        return "its driver has no compiler";
    if (!get_number(id, CL_DEVICE_ENDIAN_LITTLE))
        return "big-endian devices are not supported";
    return "";
}

/* Whether a word stands in the list of extensions. */
static bool has_extension(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0))
            return true;
    return false;
}

static void device_describe(Found found, DeviceInfo *info)
{
    cl_device_id id = found.device;
    *info = (DeviceInfo){.channel_block = CHANNEL_BLOCK};
    get_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    get_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    get_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    get_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    clGetPlatformInfo(found.platform, CL_PLATFORM_NAME, sizeof info->platform, info->platform,
                      NULL);
    info->memory = get_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc = get_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->units = (uint32_t)get_number(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->max_group = (uint32_t)get_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->local_memory = (uint32_t)get_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    uint32_t bits = (uint32_t)get_number(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN);
    info->alignment = bits / 8 > 64 ? bits / 8 : 64;
    char *extensions = mem_zero(1, 16384);
    clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 16383, extensions, NULL);
    uint64_t type = get_number(id, CL_DEVICE_TYPE);
    if (type & CL_DEVICE_TYPE_CPU)
        info->caps |= CAP_CPU;
    else if (!(type & CL_DEVICE_TYPE_GPU))
        info->caps |= CAP_ACCELERATOR;
    if (get_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY))
        info->caps |= CAP_UNIFIED_MEMORY;
    info->caps |= has_extension(extensions, "cl_khr_fp16") ? CAP_FP16 : 0;
    info->caps |= has_extension(extensions, "cl_khr_fp64") ? CAP_FP64 : 0;
    info->caps |= has_extension(extensions, "cl_khr_subgroup_shuffle") ? CAP_SUBGROUPS : 0;
    free(extensions);
    snprintf(info->why, sizeof info->why, "%s", unusable(id, info));
}

static Status device_info(int index, DeviceInfo *info)
{
    Found found[DEVICES_MAX];
    int count;
    TRY(find_all(found, &count));
    if (index < 0 || index >= count)
        return status_fail(STATUS_DEVICE, "opencl:%d: there are %d devices", index, count);
    device_describe(found[index], info);
    return STATUS_OK;
}

/* ---- opening */

/* OP(op, names): what "op=name" may force; a name may go on with its tile, "cpu-band-14x2". */
#define FORCED_LIST(OP)                                                                            \
    OP("conv.forward", "cpu-band cpu-point cpu-winograd cpu-group gpu-tile")                       \
    OP("conv.grad-data", "cpu-band cpu-point cpu-winograd cpu-group gpu-tile")                     \
    OP("conv.grad-weight",                                                                         \
       "cpu-weight-band cpu-weight-point cpu-weight-winograd cpu-weight-group gpu-weight-tile")    \
    OP("gemm", "cpu-gemm cpu-gemm-swapped gpu-gemm clblast")                                       \
    OP("teams", "local subgroups")

/* Whether name[0..length) begins with one of the words of `names`. */
static bool known_name(const char *names, const char *name, size_t length)
{
    for (const char *n = names; *n; n += strspn(n, " ")) {
        size_t own = strcspn(n, " ");
        if (length >= own && !memcmp(n, name, own) && (length == own || name[own] == '-'))
            return true;
        n += own;
    }
    return false;
}

static bool algorithm_exists(const char *word, size_t length)
{
#define OP(op, names)                                                                        \
    if (length > sizeof op && !memcmp(word, op "=", sizeof op) &&                            \
        known_name(names, word + sizeof op, length - sizeof op))                             \
        return true;
    FORCED_LIST(OP)
#undef OP
    return false;
}

/* The algorithm forced for an op, its length; NULL: none. */
static const char *forced_algorithm(const Device *device, const char *op, size_t *length)
{
    size_t op_length = strlen(op);
    for (const char *word = device->forced; *word;) {
        size_t end = strcspn(word, ",");
        if (end > op_length && !memcmp(word, op, op_length) && word[op_length] == '=') {
            *length = end - op_length - 1;
            return word + op_length + 1;
        }
        word += end + (word[end] == ',');
    }
    return NULL;
}

/* Reads "cpu", "gpu" and "op=algorithm" out of DeviceOptions.kernels. */
static Status read_forced(Device *device, const char *kernels)
{
    device->cpu_kernels = device->info.caps & CAP_CPU;
    device->forced = mem_string(kernels ? kernels : "");
    for (const char *word = device->forced; *word;) {
        size_t length = strcspn(word, ",");
        if (length == 3 && !memcmp(word, "cpu", 3))
            device->cpu_kernels = true;
        else if (length == 3 && !memcmp(word, "gpu", 3))
            device->cpu_kernels = false;
        else if (!algorithm_exists(word, length))
            return status_fail(STATUS_USAGE,
                               "opencl: kernels %.*s: neither cpu, gpu nor an op=algorithm of this "
                               "backend, such as conv.forward=cpu-band",
                               (int)length, word);
        word += length + (word[length] == ',');
    }
    /* What the rest of the program sees is the kind of kernels in use. */
    device->info.caps =
        (device->info.caps & ~(uint32_t)CAP_CPU) | (device->cpu_kernels ? CAP_CPU : 0);
    return STATUS_OK;
}

/* Whether "op=NAME" is forced. */
static bool forced_is(const Device *device, const char *op, const char *name)
{
    size_t length = 0;
    const char *forced = forced_algorithm(device, op, &length);
    return forced && length == strlen(name) && memcmp(forced, name, length) == 0;
}

/* Teams join what their members found through sub-groups where the device shuffles within them.
 * Teams of 64 do without: a sub-group may be larger than they are. */
static Status choose_teams(Device *device)
{
    unsigned team = device_team(&device->info);
    bool can = (device->info.caps & CAP_SUBGROUPS) && team >= 128;
    if (forced_is(device, "teams", "subgroups") && !can)
        return status_fail(
            STATUS_USAGE,
            "opencl: kernels teams=subgroups: %s has no cl_khr_subgroup_shuffle, or too "
            "small work-groups",
            device->info.name);
    bool subgroups = can && !device->cpu_kernels && !forced_is(device, "teams", "local");
    const char *version = strstr(device->info.version, "OpenCL 3") ? "3.0" : "2.0";
    if (device->cpu_kernels)
        snprintf(device->team_options, sizeof device->team_options, "-DLANES=16");
    else if (subgroups)
        snprintf(device->team_options, sizeof device->team_options,
                 "-DLANES=4 -DTEAM=%u -DSUBGROUPS -cl-std=CL%s", team, version);
    else
        snprintf(device->team_options, sizeof device->team_options, "-DLANES=4 -DTEAM=%u", team);
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

static void device_close(Device *device)
{
    if (!device)
        return;
    if (device->queue)
        clFinish(device->queue);
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
    free(device->forced);
    free(device);
}

static Status open_found(Device *device, Found found, const DeviceOptions *options)
{
    device->id = found.device;
    device->profile = options->profile;
    device_describe(found, &device->info);
    if (device->info.why[0])
        return status_fail(STATUS_DEVICE, "opencl: %s: %s", device->info.name, device->info.why);
    bool processor = device->info.caps & CAP_CPU;
    device->narrow = get_number(device->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) < 16;
    TRY(read_forced(device, options->kernels));
    TRY(choose_teams(device));
    clblast_open(device, processor, forced_is(device, "gemm", "clblast"));
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
    return memory_alloc(device, 256, &device->dummy);
}

static Status device_open_index(int index, const DeviceOptions *options, Device **device)
{
    Found found[DEVICES_MAX];
    int count;
    *device = NULL;
    TRY(find_all(found, &count));
    if (index < 0 || index >= count)
        return status_fail(STATUS_DEVICE, "opencl:%d: there are %d devices", index, count);
    Device *opened = mem_zero(1, sizeof *opened);
    Status status = open_found(opened, found[index], options);
    if (status != STATUS_OK)
        device_close(opened);
    else
        *device = opened;
    return status;
}

static const DeviceInfo *device_opened(const Device *device)
{
    return &device->info;
}

/* ---- steps */

bool on_processor(const Device *device, const Step *step)
{
    const char *name = step->algorithm;
    return name && *name ? strncmp(name, "cpu-", 4) == 0 : device->cpu_kernels;
}

static const char *candidate_of(const Device *device, const Step *step, bool processor, int i)
{
    return step->kind == STEP_CONV ? conv_candidate(device, step, processor, i)
         : step->kind == STEP_GEMM ? gemm_candidate(device, step, processor, i) : NULL;
}

static const char *device_candidate(Device *device, const Step *step, int i)
{
    return candidate_of(device, step, device->cpu_kernels, i);
}

/* The algorithm forced by name goes before the one asked for; where it cannot run a shape, the
 * choice stays. */
static void apply_forced(const Device *device, Step *step)
{
    static const char *const ops[] = {"conv.forward", "conv.grad-data", "conv.grad-weight",
                                      "conv.pack"};
    size_t length;
    const char *forced =
        forced_algorithm(device, step->kind == STEP_CONV ? ops[step->conv.op] : "gemm", &length);
    const char *name;
    for (int processor = 0; forced && processor < 2; processor++)
        for (int i = 0; (name = candidate_of(device, step, processor, i)); i++)
            if (strncmp(name, forced, length) == 0 && (name[length] == 0 || name[length] == '-')) {
                step->algorithm = name;
                return;
            }
}

static Status device_choose(Device *device, Step *step)
{
    step->packed_bytes = step->packed_layout = step->workspace_bytes = 0;
    if (step->kind != STEP_CONV && step->kind != STEP_GEMM)
        return STATUS_OK;
    apply_forced(device, step);
    return step->kind == STEP_CONV ? conv_choose(device, step) : gemm_choose(device, step);
}

static Status device_sync(Device *device)
{
    CL_TRY(clFinish(device->queue), "clFinish");
    return STATUS_OK;
}

static const Backend backend = {
    .abi = BACKEND_ABI,
    .name = "opencl",
    .count = device_count,
    .info = device_info,
    .open = device_open_index,
    .close = device_close,
    .opened = device_opened,
    .alloc = memory_alloc,
    .release = memory_release,
    .write = memory_write,
    .read = memory_read,
    .choose = device_choose,
    .candidate = device_candidate,
    .prepare = launch_prepare,
    .discard = launch_discard,
    .run = launch_run,
    .sync = device_sync,
    .elapsed = launch_elapsed,
};

__attribute__((visibility("default"))) BackendEntry paco_backend;

const Backend *paco_backend(void)
{
    return &backend;
}
