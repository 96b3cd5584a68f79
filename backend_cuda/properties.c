#include "properties.h"

Status properties_make(int index, cudnnBackendDescriptor_t *properties)
{
    int64_t id = index;
    CUDNN_TRY(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, properties),
              "description of the device");
    CUDNN_TRY(cudnnBackendSetAttribute(*properties, CUDNN_ATTR_DEVICEPROP_DEVICE_ID,
                                       CUDNN_TYPE_INT64, 1, &id),
              "description of the device");
    CUDNN_TRY(cudnnBackendFinalize(*properties), "description of the device");
    return STATUS_OK;
}
