/* Devices of all OpenCL platforms, and what they can do. */
#include "discover.h"

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLATFORMS_MAX = 16, DEVICES_MAX = 64 };

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

Status discover_count(int *count)
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

uint64_t discover_number(cl_device_id id, cl_device_info what)
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
    if (!discover_number(id, CL_DEVICE_AVAILABLE))
        return "the driver says it is not available";
    if (!discover_number(id, CL_DEVICE_COMPILER_AVAILABLE))
        return "its driver has no compiler";
    if (!discover_number(id, CL_DEVICE_ENDIAN_LITTLE))
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

/* Where the device is plugged in, as far as its driver says. */
static void find_slot(cl_device_id id, const char *extensions, char slot[32])
{
    enum { PCI_BUS_INFO = 0x410F }; /* CL_DEVICE_PCI_BUS_INFO_KHR, of newer headers */
    cl_uint pci[4]; /* domain, bus, device, function */
    if (has_extension(extensions, "cl_khr_pci_bus_info") &&
        clGetDeviceInfo(id, PCI_BUS_INFO, sizeof pci, pci, NULL) == CL_SUCCESS)
        snprintf(slot, 32, "%04x:%02x:%02x.%x", pci[0], pci[1], pci[2], pci[3]);
}

static void describe(Found found, DeviceInfo *info)
{
    cl_device_id id = found.device;
    *info = (DeviceInfo){.channel_block = OPENCL_CHANNEL_BLOCK};
    get_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    get_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    get_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    get_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    clGetPlatformInfo(found.platform, CL_PLATFORM_NAME, sizeof info->platform, info->platform,
                      NULL);
    info->memory = discover_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc = discover_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->units = (uint32_t)discover_number(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->max_group = (uint32_t)discover_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->local_memory = (uint32_t)discover_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    uint32_t bits = (uint32_t)discover_number(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN);
    info->alignment = bits / 8 > 64 ? bits / 8 : 64;
    char *extensions = mem_zero(1, 16384);
    clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 16383, extensions, NULL);
    uint64_t type = discover_number(id, CL_DEVICE_TYPE);
    if (type & CL_DEVICE_TYPE_CPU)
        info->caps |= CAP_CPU;
    else if (!(type & CL_DEVICE_TYPE_GPU))
        info->caps |= CAP_ACCELERATOR;
    if (discover_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY))
        info->caps |= CAP_UNIFIED_MEMORY;
    find_slot(id, extensions, info->slot);
    info->caps |= has_extension(extensions, "cl_khr_fp16") ? CAP_FP16 : 0;
    info->caps |= has_extension(extensions, "cl_khr_fp64") ? CAP_FP64 : 0;
    info->caps |= has_extension(extensions, "cl_khr_subgroup_shuffle") ? CAP_SUBGROUPS : 0;
    free(extensions);
    snprintf(info->why, sizeof info->why, "%s", unusable(id, info));
}

Status discover(int index, Found *found, DeviceInfo *info)
{
    Found all[DEVICES_MAX];
    int count;
    TRY(find_all(all, &count));
    if (index < 0 || index >= count)
        return status_fail(STATUS_DEVICE, "opencl:%d: there are %d devices", index, count);
    *found = all[index];
    describe(*found, info);
    return STATUS_OK;
}

Status discover_info(int index, DeviceInfo *info)
{
    Found found;
    return discover(index, &found, info);
}
