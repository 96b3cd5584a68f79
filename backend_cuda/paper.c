#include "paper.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *json;
    Ceilings ceilings;
} papers[] = {
#define PAPER(word, bytes, float32, tf32, half, ...)                                               \
    {#__VA_ARGS__, {bytes, float32, tf32, half}},
#include "papers.def"
#undef PAPER
};

const char *const paper_names[] = {
#define PAPER(word, bytes, float32, tf32, half, ...) #word,
#include "papers.def"
#undef PAPER
    NULL};

static void read_info(const Json *j, DeviceInfo *info)
{
    const int version = (int)json_number(j, "deviceVer", 0);
    *info = (DeviceInfo){.memory = (uint64_t)json_number(j, "totalGlobalMem", 0),
                         .max_alloc = (uint64_t)json_number(j, "totalGlobalMem", 0),
                         .units = (uint32_t)json_number(j, "multiProcessorCount", 0),
                         .max_group = (uint32_t)json_number(j, "maxThreadsPerBlock", 0),
                         .local_memory = (uint32_t)json_number(j, "maxSharedMemoryPerBlock", 0),
                         .alignment = CUDA_ALIGNMENT,
                         .caps = CUDA_CAPS | CAP_OWN_MEMORY,
                         .channel_multiple = CUDA_CHANNELS};
    snprintf(info->name, sizeof info->name, "%.100s on paper", json_text(j, "deviceName", ""));
    snprintf(info->platform, sizeof info->platform, "cuDNN %zu", cudnnGetVersion());
    snprintf(info->vendor, sizeof info->vendor, "NVIDIA");
    snprintf(info->driver, sizeof info->driver, "none");
    snprintf(info->version, sizeof info->version, "compute capability %d.%d", version / 100,
             version % 100 / 10);
}

Status paper_info(int i, DeviceInfo *info)
{
    Arena arena = {0};
    Json *root;
    Status status =
        json_parse(&arena, paper_names[i], papers[i].json, strlen(papers[i].json), &root);
    if (status == STATUS_OK) {
        read_info(root, info);
        info->ceilings = papers[i].ceilings;
    }
    arena_free(&arena);
    return status;
}

Status paper_properties(int i, cudnnBackendDescriptor_t *properties)
{
    const char *json = papers[i].json;
    CUDNN_TRY(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, properties),
              "description of the device");
    CUDNN_TRY(cudnnBackendSetAttribute(*properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                       CUDNN_TYPE_CHAR, (int64_t)strlen(json) + 1, json),
              "description of the device");
    CUDNN_TRY(cudnnBackendFinalize(*properties), "description of the device");
    return STATUS_OK;
}
