#include "properties.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdlib.h>

void properties_log(cudnnBackendDescriptor_t properties)
{
    const cudnnBackendAttributeName_t json = CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION;
    int64_t bytes = 0;
    if (log_level() < 1 ||
        cudnnBackendGetAttribute(properties, json, CUDNN_TYPE_CHAR, 0, &bytes, NULL) ||
        bytes <= 0)
        return;
    char *text = mem_zero((size_t)bytes + 1, 1);
    if (cudnnBackendGetAttribute(properties, json, CUDNN_TYPE_CHAR, bytes, &bytes, text) ==
        CUDNN_STATUS_SUCCESS)
        log_debug(1, "cuDNN describes the device: %s", text);
    free(text);
}
