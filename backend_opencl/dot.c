/* Whether a device has AVX512_BF16's dot product. Its driver does not say so, but the processor
 * does, where the device is the one that this program runs on. */
#include "dot.h"

#include "launch.h"
#include "memory.h"
#include "program.h"
#include "transfer.h"

#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>

/* Whether `name` says what the processor calls itself: a simulator's name, or that of a machine
 * elsewhere, does not. */
static bool is_host(const char *name)
{
    unsigned words[3][4];
    char brand[sizeof words + 1] = "";
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002 + i, &words[i][0], &words[i][1], &words[i][2], &words[i][3]))
            return false;
    memcpy(brand, words, sizeof words);
    size_t length = strlen(brand);
    while (length && brand[length - 1] == ' ')
        brand[--length] = 0;
    const char *begin = brand + strspn(brand, " ");
    return *begin && strstr(name, begin);
}

static bool host_can(const Device *device)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && is_host(device->info.name);
}
#else
static bool host_can(const Device *device)
{
    (void)device;
    return false;
}
#endif

/* Sixteen sums of the trial. */
static Status try_dot(Device *device, const char *options, float *sums, Prepared *prepared)
{
    const Ref to = {.buf = device->dummy};
    TRY(launch_add_items(prepared, "conv_dot", options, "conv_dot", (int[3]){1, 1, 1}));
    TRY(launch_ref(prepared, to));
    TRY(launch_run(prepared, &(Step){.name = "conv_dot"}));
    return transfer_read(device, sums, to, 16 * sizeof *sums);
}

bool dot_works(Device *device)
{
    static const char options[] = "-DLANES=16" DOT_OPTIONS;
    if (!device->cpu_kernels || device->narrow || !host_can(device) ||
        !program_builds(device, "conv_dot", options))
        return false;
    float sums[DUMMY_BYTES / sizeof(float)] = {0};
    Prepared *prepared = launch_begin(device);
    bool good = try_dot(device, options, sums, prepared) == STATUS_OK;
    launch_free(prepared);
    for (int i = 0; i < 16; i++)
        good = good && sums[i] == (float)(17 + 2 * i);
    return good;
}
