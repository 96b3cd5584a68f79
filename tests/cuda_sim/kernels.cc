/* kernels_cu/table.cu for a processor. */
#include "on_cpu.h"

#include "table.cu"
