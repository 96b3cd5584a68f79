#include "open.h"

#include "cudnn.h"
#include "group.h"
#include "memory.h"
#include "paper.h"
#include "properties.h"
#include "replay.h"
#include "transfer.h"
#include "wait.h"

#include "base/arena.h"
#include "device/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ARCHITECTURE = 80 }; /* what kernels_cu is compiled for: Ampere and newer */

/* What is missing, in the order in which a user would mend it. */
Status discover_count(int *count)
{
    int driver = 0;
    *count = 0;
    cudaError_t code = cudaDriverGetVersion(&driver);
    if (code == cudaSuccess && driver == 0)
        return status_fail(STATUS_DEVICE, "no NVIDIA driver on this machine");
    if (code == cudaSuccess && driver / 1000 < CUDART_VERSION / 1000)
        return status_fail(STATUS_DEVICE,
                           "the NVIDIA driver is too old: it serves CUDA %d.%d, this module needs "
                           "%d.0 or newer",
                           driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000);
    code = cudaGetDeviceCount(count);
    if (code != cudaSuccess) {
        *count = 0;
        cudaGetLastError();
        return status_fail(STATUS_DEVICE, "%s",
                           code == cudaErrorNoDevice ? "no NVIDIA GPU on this machine"
                                                     : cudaGetErrorString(code));
    }
    return *count ? STATUS_OK : status_fail(STATUS_DEVICE, "no NVIDIA GPU on this machine");
}

Status discover_info(int index, DeviceInfo *info)
{
    struct cudaDeviceProp p;
    int driver = 0, runtime = 0;
    CUDA_TRY(cudaGetDeviceProperties(&p, index), "properties of the device");
    CUDA_TRY(cudaDriverGetVersion(&driver), "version of the driver");
    CUDA_TRY(cudaRuntimeGetVersion(&runtime), "version of the runtime");
    *info = (DeviceInfo){.memory = p.totalGlobalMem,
                         .max_alloc = p.totalGlobalMem,
                         .units = (uint32_t)p.multiProcessorCount,
                         .max_group = (uint32_t)p.maxThreadsPerBlock,
                         .local_memory = (uint32_t)p.sharedMemPerBlock,
                         .alignment = CUDA_ALIGNMENT,
                         .caps = CUDA_CAPS | (p.integrated ? CAP_UNIFIED_MEMORY : CAP_OWN_MEMORY),
                         .channel_multiple = CUDA_CHANNELS};
    snprintf(info->name, sizeof info->name, "%.120s", p.name);
    snprintf(info->platform, sizeof info->platform, "CUDA %d.%d", runtime / 1000,
             runtime % 1000 / 10);
    snprintf(info->slot, sizeof info->slot, "%04x:%02x:%02x.0", (unsigned)p.pciDomainID & 0xffff,
             (unsigned)p.pciBusID & 0xff, (unsigned)p.pciDeviceID & 0xff);
    snprintf(info->vendor, sizeof info->vendor, "NVIDIA");
    /* Plans and bits are those of the libraries, too: tuning and checkpoints name the driver. */
    snprintf(info->driver, sizeof info->driver, "for CUDA %d.%d, cuDNN %zu, cuBLASLt %zu",
             driver / 1000, driver % 1000 / 10, cudnnGetVersion(), cublasLtGetVersion());
    snprintf(info->version, sizeof info->version, "compute capability %d.%d", p.major, p.minor);
    if (10 * p.major + p.minor < LEAST_ARCHITECTURE)
        snprintf(info->why, sizeof info->why,
                 "its compute capability is %d.%d, this backend needs %d.%d (Ampere) or newer; its "
                 "OpenCL driver serves it",
                 p.major, p.minor, LEAST_ARCHITECTURE / 10, LEAST_ARCHITECTURE % 10);
    return STATUS_OK;
}

/* ---- DeviceOptions.kernels */

/* "OP=NAME" of a convolution: remembered as the plan's name. The names of plans are cuDNN's, and
 * which there are depends on the shape: any is taken, and where it is none the first plan runs. */
static bool read_word(Device *device, const char *word, size_t length)
{
    if (word_is(word, length, "gpu"))
        return true;
    if (word_is(word, length, "graphs=off")) {
        device->graphs = false;
        return true;
    }
    if (word_is(word, length, "nccl=off")) {
        device->nccl = false;
        return true;
    }
    for (int op = 0; op < CONV_PACK; op++) {
        size_t rest;
        const char *value = word_value(word, length, conv_op_key((ConvOp)op), &rest);
        if (!value || strncmp(value, "cudnn-", 6) != 0)
            continue;
        free(device->forced[op]);
        device->forced[op] = mem_alloc(rest + 1);
        memcpy(device->forced[op], value, rest);
        device->forced[op][rest] = '\0';
        return true;
    }
    return false;
}

static Status read_kernels(Device *device, const char *kernels)
{
    for (const char *word = kernels ? kernels : ""; *word;) {
        size_t length = strcspn(word, ",");
        if (!read_word(device, word, length))
            return status_fail(STATUS_USAGE,
                               "cuda: kernels %.*s: neither gpu, graphs=off, nccl=off nor a plan "
                               "such as conv.forward=cudnn-1 (`paco tune` lists them)",
                               (int)length, word);
        word += length + (word[length] == ',');
    }
    return STATUS_OK;
}

/* ---- opening */

void open_close(Device *device)
{
    if (!device)
        return;
    if (device->stream)
        wait_stream(device, device->stream, "the last steps");
    if (device->uploads)
        wait_stream(device, device->uploads, "the last writes");
    group_leave(device);
    replay_drop(device, NULL);
    transfer_close(device);
    cudnn_release(device);
    if (device->properties)
        cudnnBackendDestroyDescriptor(device->properties);
    if (device->blas)
        cublasLtDestroy(device->blas);
    if (device->cudnn)
        cudnnDestroy(device->cudnn);
    if (device->uploads)
        cudaStreamDestroy(device->uploads);
    if (device->stream)
        cudaStreamDestroy(device->stream);
    for (int op = 0; op < CONV_PACK; op++)
        free(device->forced[op]);
    free(device);
}

static Status open_found(Device *device, int index, const DeviceOptions *options)
{
    TRY(discover_info(index, &device->info));
    if (device->info.why[0])
        return status_fail(STATUS_DEVICE, "cuda: %s: %s", device->info.name, device->info.why);
    device->info.math = options->math;
    TRY(read_kernels(device, options->kernels));
    CUDA_TRY(cudaSetDevice(index), "taking the device");
    CUDA_TRY(cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking), "a stream");
    CUDA_TRY(cudaStreamCreateWithFlags(&device->uploads, cudaStreamNonBlocking), "a stream");
    CUDNN_TRY(cudnnCreate(&device->cudnn), "opening cuDNN");
    CUDNN_TRY(cudnnSetStream(device->cudnn, device->stream), "opening cuDNN");
    BLAS_TRY(cublasLtCreate(&device->blas), "opening cuBLASLt");
    TRY(memory_ask(device)); /* behind what the libraries take */
    TRY(properties_make(index, &device->properties));
    properties_log(device->properties);
    return STATUS_OK;
}

Status open_index(int index, const DeviceOptions *options, Device **out)
{
    int count;
    TRY(discover_count(&count));
    if (index < 0 || index >= count)
        return status_fail(STATUS_DEVICE, "cuda:%d: there %s only %d device%s", index,
                           count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
    Device *device = mem_zero(1, sizeof *device);
    device->profile = options->profile;
    device->nccl = true;
    device->graphs = !options->profile; /* a graph has no times of steps */
    Status status = open_found(device, index, options);
    if (status != STATUS_OK) {
        open_close(device);
        return status;
    }
    *out = device;
    return STATUS_OK;
}

Status open_paper(int i, const DeviceOptions *options, Device **out)
{
    Device *device = mem_zero(1, sizeof *device);
    Status status = paper_info(i, &device->info);
    device->info.math = options->math;
    if (status == STATUS_OK)
        status = read_kernels(device, options->kernels);
    if (status == STATUS_OK)
        status = paper_properties(i, &device->properties);
    if (status != STATUS_OK) {
        open_close(device);
        return status;
    }
    *out = device;
    return STATUS_OK;
}
