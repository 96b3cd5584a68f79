/* The choice of kernels: the only file that knows both kinds. */
#include "image/kernels.h"

#include <stdlib.h>
#include <string.h>

const Kernels *kernels(void)
{
    /* Threads that ask at once choose the same. */
    static const Kernels *_Atomic chosen;
    const Kernels *k = chosen;
    if (!k) {
        const char *wish = getenv("PACO_SIMD");
        k = wish && strcmp(wish, "plain") == 0 ? NULL : kernels_avx2();
        if (!k)
            k = kernels_plain();
        chosen = k;
    }
    return k;
}
