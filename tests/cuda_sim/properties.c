/* The device that cuDNN makes plans for in the simulation: an H100, as described by hand (no GPU has confirmed it). */
#include "properties.h"

#include <string.h>

static const char device[] =
    "{\"deviceVer\":900,\"driverVer\":13000,\"cudaDeviceId\":0,\"pciDeviceId\":9016,\"isTccDriver\":0,"
    "\"l2CacheSize\":52428800,\"maxCtasPerSM\":32,\"maxRegistersPerSM\":65536,\"regsPerBlock\":65536,"
    "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,"
    "\"maxThreadsPerSM\":2048,\"memClockRateKHz\":2619000,\"smClockRateKHz\":1980000,\"multiProcessorCount\":132,"
    "\"reservedSharedMemoryPerBlock\":1024,\"supportCoopLaunch\":1,\"totalGlobalMem\":85000000000,\"warpSize\":32,"
    "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"deviceName\":\"NVIDIA H100 80GB HBM3\"}";

Status properties_make(int index, cudnnBackendDescriptor_t *properties)
{
    (void)index;
    CUDNN_TRY(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, properties), "device");
    CUDNN_TRY(cudnnBackendSetAttribute(*properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                       (int64_t)sizeof device, device),
              "device");
    CUDNN_TRY(cudnnBackendFinalize(*properties), "device");
    return STATUS_OK;
}
