/* Guarded devices and the rig of a test: see support_graph.h. */
#include "support_graph.h"

#include "base/arena.h"
#include "device/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

enum { TAIL = 512 };
static const uint32_t SENTINEL = 0x7fc0dead; /* a not-a-number: what is read by mistake shows */

typedef struct GuardBuffer {
    Buffer *inner;
    uint64_t bytes, lead, tail;
    struct GuardBuffer *next;
} GuardBuffer;

static Guard *guard_of(const Device *device)
{
    return (Guard *)(uintptr_t)device;
}

Device *guard_device(Guard *guard)
{
    return (Device *)guard;
}

static Ref inner_ref(Ref ref)
{
    const GuardBuffer *b = (const GuardBuffer *)ref.buf;
    return b ? (Ref){b->inner, b->lead + ref.off} : ref;
}

static const DeviceInfo *guard_opened(const Device *device)
{
    return &guard_of(device)->info;
}

void *sentinels(uint64_t bytes)
{
    uint32_t *words = mem_alloc(bytes);
    for (uint64_t i = 0; i < bytes / 4; i++)
        words[i] = SENTINEL;
    return words;
}

static uint64_t outer_bytes(const GuardBuffer *b)
{
    return b->lead + b->tail + (b->tail ? (b->bytes + 3) / 4 * 4 : b->bytes);
}

static Status guard_alloc(Device *device, uint64_t bytes, Buffer **buffer)
{
    Guard *g = guard_of(device);
    GuardBuffer *b = mem_zero(1, sizeof *b);
    b->bytes = bytes;
    if (!g->bare) {
        b->lead = (uint64_t)(TAIL + g->info.alignment - 1) / g->info.alignment * g->info.alignment;
        b->tail = TAIL;
    }
    Status status = g->inner->alloc(g->device, outer_bytes(b), &b->inner);
    if (status != STATUS_OK) {
        free(b);
        return status;
    }
    if (!g->bare) {
        void *image = sentinels(outer_bytes(b));
        status = g->inner->write(g->device, (Ref){b->inner, 0}, image, outer_bytes(b));
        free(image);
    }
    b->next = g->buffers;
    g->buffers = b;
    *buffer = (Buffer *)b;
    return status;
}

static void guard_release(Device *device, Buffer *buffer)
{
    Guard *g = guard_of(device);
    GuardBuffer **at = &g->buffers;
    while (*at != (GuardBuffer *)buffer)
        at = &(*at)->next;
    GuardBuffer *b = *at;
    *at = b->next;
    /* oclgrind (21.10) takes what was written to a new buffer at a freed one's address for uninitialised beyond
     * the size of the old one: under it, addresses are used once. */
    if (g->bare) {
        b->next = g->retired;
        g->retired = b;
        return;
    }
    g->inner->release(g->device, b->inner);
    free(b);
}

static void release_retired(Guard *g)
{
    while (g->retired) {
        GuardBuffer *b = g->retired;
        g->retired = b->next;
        g->inner->release(g->device, b->inner);
        free(b);
    }
}

static Status guard_write(Device *device, Ref to, const void *from, uint64_t bytes)
{
    return guard_of(device)->inner->write(guard_of(device)->device, inner_ref(to), from, bytes);
}

static Status guard_read(Device *device, void *to, Ref from, uint64_t bytes)
{
    return guard_of(device)->inner->read(guard_of(device)->device, to, inner_ref(from), bytes);
}

static Status guard_fetch(Device *device, Ref from, uint64_t bytes, int *ticket)
{
    return guard_of(device)->inner->fetch(guard_of(device)->device, inner_ref(from), bytes, ticket);
}

static Status guard_wait(Device *device, int ticket, void *to)
{
    return guard_of(device)->inner->wait(guard_of(device)->device, ticket, to);
}

static Status guard_choose(Device *device, Step *step)
{
    return guard_of(device)->inner->choose(guard_of(device)->device, step);
}

/* From here on the step names inner buffers. Kernels run in groups of one: PoCL compiles a kernel anew
 * for every size of a group that it chooses, which takes longer than all the rest of a test. */
static Status guard_prepare(Device *device, Step *step)
{
    for (int i = 0; i < 3 && step->kind == STEP_KERNEL; i++)
        if (!step->kernel.local[i])
            step->kernel.local[i] = 1;
    for (int i = 0; i < step->refs_count; i++)
        step->refs[i] = inner_ref(step->refs[i]);
    step->packed = inner_ref(step->packed);
    step->workspace = inner_ref(step->workspace);
    return guard_of(device)->inner->prepare(guard_of(device)->device, step);
}

static void guard_discard(Device *device, Step *step)
{
    guard_of(device)->inner->discard(guard_of(device)->device, step);
}

static Status guard_run(Device *device, const Step *steps, int count)
{
    return guard_of(device)->inner->run(guard_of(device)->device, steps, count);
}

static Status guard_sync(Device *device)
{
    return guard_of(device)->inner->sync(guard_of(device)->device);
}

const Backend *guard_backend(void)
{
    static const Backend backend = {
        .abi = BACKEND_ABI, .name = "guarded", .opened = guard_opened, .alloc = guard_alloc,
        .release = guard_release, .write = guard_write, .read = guard_read, .fetch = guard_fetch, .wait = guard_wait, .choose = guard_choose,
        .prepare = guard_prepare, .discard = guard_discard, .run = guard_run, .sync = guard_sync,
    };
    return &backend;
}

void guard_check(Guard *g, const char *what)
{
    for (const GuardBuffer *b = g->bare ? NULL : g->buffers; b; b = b->next) {
        uint64_t bytes = outer_bytes(b), first = b->lead, last = b->lead + b->bytes;
        uint8_t *image = mem_alloc(bytes), *clean = sentinels(bytes);
        if (g->inner->read(g->device, image, (Ref){b->inner, 0}, bytes) != STATUS_OK)
            fail_msg("%s", status_text());
        for (uint64_t i = 0; i < bytes; i++)
            if ((i < first || i >= last) && image[i] != clean[i])
                fail_msg("%s: guard byte %lld beside %llu bytes was overwritten", what,
                         (long long)i - (long long)first, (unsigned long long)b->bytes);
        free(image);
        free(clean);
    }
}

void rig_open(Rig *rig)
{
    const char *kernels[RIG_DEVICES] = {getenv("PACO_TEST_KERNELS"), "gpu", "channels-last", "gpu,channels-last"};
    const char *name = getenv("PACO_TEST_DEVICE");
    *rig = (Rig){.names = {"own kernels", "gpu kernels", "own kernels, channels last", "gpu kernels, channels last"},
                 .devices = RIG_DEVICES, .tiny = getenv("PACO_TEST_TINY")};
    if (rig->tiny) {
        rig->devices = 1;
        rig->names[0] = kernels[0] ? kernels[0] : "own kernels";
    }
    bool several = !name || !*name || strncmp(name, "opencl", 6) == 0; /* only this backend has more kernels than one */
    if (!several)
        rig->devices = 1;
    printf("seed %d\n", TRIAL_SEED);
    for (int i = 0; i < rig->devices; i++) {
        Guard *g = &rig->guards[i];
        DeviceOptions options = {.kernels = kernels[i]};
        if (device_open(name && *name ? name : "opencl", &options, &g->inner, &g->device) != STATUS_OK) {
            fprintf(stderr, "skipped: %s\n", status_text());
            exit(77);
        }
        g->info = *g->inner->opened(g->device);
        g->bare = rig->tiny;
    }
}

void rig_close(Rig *rig)
{
    for (int i = 0; i < rig->devices; i++) {
        release_retired(&rig->guards[i]);
        rig->guards[i].inner->close(rig->guards[i].device);
    }
}
