/* A backend of another contract, for test_devices.sh: nothing behind its number may be looked at. */
#include "device/backend.h"

static const Backend backend = {.abi = BACKEND_ABI + 1};

const Backend *paco_backend(void);

__attribute__((visibility("default"))) const Backend *paco_backend(void)
{
    return &backend;
}
