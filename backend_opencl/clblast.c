/* CLBlast, a library of tuned OpenCL linear algebra, as one more algorithm for matrix products:
 * "clblast".
 *
 * The library is looked for when a device is opened. Nothing of it is needed to build this module:
 * the two functions used are declared here (its C interface, row-major, sizes in elements), and a
 * machine without it lacks the candidate. On processors, where it is far slower than our own
 * kernels, it is loaded only when gemm=clblast asks for it.
 *
 * Version: releases up to 1.6.2 compute wrong products on some Intel Arc devices. No release tells
 * its version at run time, and the defines of its header are those of the machine that built this
 * module. What does tell is the name of the shared library's file, libclblast.so.MAJOR.MINOR.PATCH.
 * With an older release, or a file whose name does not say, the candidate is offered on no GPU of
 * Intel's: names of devices do not tell reliably which are Arc.
 *
 * Large products use copies padded by the library in memory of its own, made and released at every
 * call: that memory is not in the plan. */
#define _GNU_SOURCE /* dladdr */
#include "clblast.h"

#include "gemm.h"
#include "group.h"

#include "base/check.h"
#include "base/log.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112, SAFE_VERSION = 10603 };

typedef int SgemmFunction(int layout, int trans_a, int trans_b, size_t m, size_t n, size_t k,
                          float alpha, cl_mem a, size_t a_offset, size_t lda, cl_mem b,
                          size_t b_offset, size_t ldb, float beta, cl_mem c, size_t c_offset,
                          size_t ldc, cl_command_queue *queue, cl_event *event);
typedef int ClearFunction(void);

/* Loaded once per process and never unloaded: it keeps built programs of its own. */
static struct {
    SgemmFunction *sgemm;
    ClearFunction *clear;
    int version; /* 10602 is 1.6.2; 0: unknown */
} library;

/* The version in the name of the file that a function came from. */
static int version_of(void *function)
{
    Dl_info place;
    char path[PATH_MAX];
    int major, minor, patch;
    if (!dladdr(function, &place) || !place.dli_fname || !realpath(place.dli_fname, path))
        return 0;
    const char *so = strstr(path, ".so.");
    if (!so || sscanf(so, ".so.%d.%d.%d", &major, &minor, &patch) != 3)
        return 0;
    return major * 10000 + minor * 100 + patch;
}

static bool load(void)
{
    if (library.sgemm)
        return true;
    void *handle = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle && !(handle = dlopen("libclblast.so", RTLD_NOW | RTLD_LOCAL)))
        return false;
    void *sgemm = dlsym(handle, "CLBlastSgemm"), *clear = dlsym(handle, "CLBlastClearCache");
    if (!sgemm || !clear)
        return false;
    memcpy(&library.sgemm, &sgemm, sizeof sgemm);
    memcpy(&library.clear, &clear, sizeof clear);
    library.version = version_of(sgemm);
    return true;
}

/* Why the library is not used on this device; NULL: it is. */
static const char *refusal(const Device *device, bool processor)
{
    if (!load())
        return "libclblast.so.1 is not installed";
    if (!processor && strstr(device->info.vendor, "Intel") && library.version < SAFE_VERSION)
        return "CLBlast before 1.6.3 is wrong on some Intel GPUs";
    return NULL;
}

void clblast_open(Device *device, bool processor, bool forced)
{
    if (processor && !forced)
        return;
    const char *why = refusal(device, processor);
    device->clblast = !why;
    if (why && forced)
        log_warn("gemm=clblast: not available on %s: %s", device->info.name, why);
    log_debug(2, "CLBlast %d: %s", library.version, why ? why : "used");
}

/* Its programs belong to the context: a later context may get the same address. */
void clblast_close(Device *device)
{
    if (device->clblast)
        library.clear();
}

static bool library_applies(const Device *device, const Step *step, const Algorithm *how)
{
    (void)step, (void)how;
    return device->clblast;
}

/* Never the choice without a measurement. */
static double library_worth(const Device *device, const Step *step, const Algorithm *how)
{
    (void)device, (void)step, (void)how;
    return -HUGE_VAL;
}

static Status library_choose(const Device *device, Step *step, const Algorithm *how)
{
    (void)device, (void)step, (void)how;
    return STATUS_OK;
}

/* The product, without bias. */
static Status library_run(Device *device, const Step *step, cl_event *event)
{
    const GemmDesc *d = &step->gemm;
    Ref a = step->refs[0], b = step->refs[1], c = step->refs[2];
    int code =
        library.sgemm(ROW_MAJOR, d->trans_a ? TRANSPOSED : PLAIN, d->trans_b ? TRANSPOSED : PLAIN,
                      (size_t)d->M, (size_t)d->N, (size_t)d->K, d->alpha, a.buf->mem, a.off / 4,
                      (size_t)d->lda, b.buf->mem, b.off / 4, (size_t)d->ldb, d->beta, c.buf->mem,
                      c.off / 4, (size_t)d->ldc, &device->queue, event);
    return code == 0
               ? STATUS_OK
               : status_fail(STATUS_DEVICE, "opencl: %s: CLBlastSgemm: code %d", step->name, code);
}

static Status library_prepare(const Device *device, const Step *step, const Algorithm *how,
                              Prepared *prepared)
{
    (void)device, (void)how;
    const GemmDesc *d = &step->gemm;
    CHECKF(step->refs[0].off % 4 == 0 && step->refs[1].off % 4 == 0 && step->refs[2].off % 4 == 0,
           "%s: operands of a product lie at whole floats", step->name);
    launch_add_call(prepared, library_run, true);
    if (step->refs_count < 4 || !step->refs[3].buf)
        return STATUS_OK;
    GemmReduceArgs args = {.M = d->M, .N = d->N, .ldc = d->ldc};
    size_t each[3] = {group_each((uint64_t)d->N), (size_t)d->M, 1};
    TRY(launch_add(prepared, "gemm_bias", "-DLANES=4", "gemm_bias_each", each,
                   (size_t[3]){EACH_GROUP, 1, 1}));
    TRY(launch_ref(prepared, step->refs[3]));
    TRY(launch_ref(prepared, step->refs[2]));
    return launch_value(prepared, &args, sizeof args);
}

const Method gemm_clblast = {.serves = 1 << ALGORITHM_GEMM,
                             .applies = library_applies,
                             .worth = library_worth,
                             .choose = library_choose,
                             .prepare = library_prepare};
