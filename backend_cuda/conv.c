#include "conv.h"

#include "cudnn.h"
#include "kernel.h"

#include "base/arena.h"
#include "base/check.h"
#include "block.h"

#include <stdlib.h>
#include <string.h>

#include "conv_parts.h"

/* kernels_cu/table.cu, compiled for each type of images. */
#define X(name, word, bytes) extern const void *const paco_conv_parts_##name[];
STORAGE_LIST(X)
#undef X

static const void *const *const part_tables[] = {
#define X(name, word, bytes) [DTYPE_##name] = paco_conv_parts_##name,
    STORAGE_LIST(X)
#undef X
};

/* ---- shapes */

static int padded(const Device *device, int channels)
{
    return device_width(&device->info, channels);
}

/* Whether activations have channels that cuDNN is not told of. */
static bool leaves_out(const Device *device, const ConvDesc *d)
{
    return d->groups > 1 && (padded(device, d->C) != d->C || padded(device, d->K) != d->K);
}

/* The convolution as cuDNN sees it. */
static ConvDesc in_memory(const Device *device, const ConvDesc *d)
{
    ConvDesc wide = *d;
    if (d->groups == 1) {
        wide.C = padded(device, d->C);
        wide.K = padded(device, d->K);
    }
    if (d->op == CONV_PACK)
        wide.op = d->packed_for;
    return wide;
}

static int64_t weights_of(const ConvDesc *d)
{
    return (int64_t)d->K * (d->C / d->groups) * d->R * d->S;
}

/* Bytes of cuDNN's weights where they are others than the step's, else 0. */
static uint64_t packed_bytes(const Device *device, const ConvDesc *d)
{
    ConvDesc wide = in_memory(device, d);
    bool wider = wide.C != d->C || wide.K != d->K;
    CHECK(!(d->plain && wider));
    bool others = (d->type != DTYPE_F32 && !d->plain) || wider;
    return others ? (uint64_t)(weights_of(&wide) * dtype_bytes(d->type)) : 0;
}

/* Whole pieces: of a workspace cuDNN can want any number of bytes. */
static uint64_t aligned(uint64_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* ---- choosing */

static Status plans_of(Device *device, const ConvDesc *d, ConvPlans **plans)
{
    ConvDesc wide = in_memory(device, d);
    return cudnn_plans(device, &wide, plans);
}

static Status plan_of(Device *device, const ConvDesc *d, const char *name, const ConvPlan **plan)
{
    ConvPlans *plans;
    TRY(plans_of(device, d, &plans));
    return cudnn_plan(device, plans, name, plan);
}

Status conv_choose(Device *device, Step *step)
{
    const ConvDesc *d = &step->conv;
    const uint32_t finishing = d->op == CONV_FORWARD ? 1u << 3 | 1u << 4 : 0; /* bias, residual */
    const ConvPlan *plan;
    if (d->op == CONV_PACK)
        return STATUS_OK;
    const char *wanted = device->forced[d->op] ? device->forced[d->op] : step->algorithm;
    TRY(plan_of(device, d, wanted, &plan));
    uint64_t packed = packed_bytes(device, d);
    step->launches = 1 + (d->op == CONV_GRAD_WEIGHT
                              ? packed != 0
                              : d->relu || leaves_out(device, d) || step->given & finishing);
    step->algorithm = plan->name;
    step->workspace_bytes = aligned(plan->workspace);
    if (d->op == CONV_GRAD_WEIGHT && packed)
        step->workspace_bytes += packed;
    else if (d->op != CONV_GRAD_WEIGHT) {
        step->packed_bytes = packed;
        step->packed_layout = packed ? 1 + (uint64_t)d->type : 0; /* forward and backward alike */
    }
    return STATUS_OK;
}

const char *conv_candidate(Device *device, const Step *step, int i)
{
    ConvPlans *plans;
    if (step->conv.op == CONV_PACK || plans_of(device, &step->conv, &plans) != STATUS_OK)
        return NULL;
    const ConvPlan *plan = cudnn_candidate(device, plans, i);
    return plan ? plan->name : NULL;
}

/* ---- launches */

typedef struct ConvRun {
    cudnnBackendDescriptor_t plan, pack; /* plan: NULL for PACK; it belongs to the device */
    Launch part;                         /* after it; no function: none */
} ConvRun;

static void release(void *own)
{
    ConvRun *r = own;
    if (r->pack)
        cudnnBackendDestroyDescriptor(r->pack);
    free(r);
}

static Status run(Device *device, const Step *step, const void *own)
{
    const ConvRun *r = own;
    if (r->plan)
        CUDNN_TRY(cudnnBackendExecute(device->cudnn, r->plan, r->pack), step->algorithm);
    return r->part.function ? launch_run(device, &r->part, step->name) : STATUS_OK;
}

/* A kernel of conv_parts.cuh: a thread for each weight, or for each vector of the result. */
static void set_part(const Device *device, const ConvDesc *d, int part, int count, const Ref *refs,
                     Launch *l)
{
    enum { THREADS = BLOCK_MAX, VECTOR = 4 };
    const ConvDesc wide = in_memory(device, d);
    const bool data = d->op == CONV_GRAD_DATA;
    const long pixels = (long)d->N * (data ? d->H * d->W : d->P * d->Q);
    const int channels = data ? d->C : d->K;
    ConvPartArgs args = {.padded = (long)weights_of(&wide),
                         .pixels = pixels,
                         .K = d->K,
                         .C = d->C / d->groups,
                         .padded_C = wide.C / d->groups,
                         .area = d->R * d->S,
                         .channels = channels,
                         .width = padded(device, channels),
                         .relu = d->relu,
                         .unscale = 1 / device_grad_scale(d->type, pixels)};
    int64_t items = part == PART_conv_part_finish ? args.pixels * args.width / VECTOR : args.padded;
    int64_t blocks = (items + THREADS - 1) / THREADS, most = 16 * (int64_t)device->info.units;
    *l = (Launch){.function = part_tables[d->type][part],
                  .grid = {(unsigned)(blocks < most ? blocks : most), 1, 1},
                  .block = {THREADS, 1, 1},
                  .count = count};
    memcpy(l->refs, refs, (size_t)count * sizeof *refs);
    memcpy(l->args, &args, sizeof args);
}

/* Weights as cuDNN reads them; in place of the gradient's, where it writes what is unpacked. */
static Status prepare_plan(Device *device, const Step *step, ConvRun *r)
{
    const ConvDesc *d = &step->conv;
    const ConvPlan *plan;
    TRY(plan_of(device, d, step->algorithm, &plan));
    const Ref *refs = step->refs;
    uint64_t packed = packed_bytes(device, d);
    Ref x = refs[0], w = packed ? step->packed : refs[1], y = refs[2];
    if (d->op == CONV_GRAD_DATA)
        x = refs[2], y = refs[0];
    Ref sums = {step->workspace.buf, step->workspace.off + aligned(plan->workspace)};
    if (d->op == CONV_GRAD_WEIGHT) {
        y = refs[1];
        w = packed ? sums : refs[2];
    }
    r->plan = plan->plan;
    TRY(cudnn_pack(place_of(x), place_of(w), place_of(y), place_of(step->workspace), &r->pack));
    Ref bias = {0}, residual = {0};
    if (d->op == CONV_FORWARD)
        bias = refs[3], residual = refs[4];
    if (d->op == CONV_GRAD_WEIGHT && packed)
        set_part(device, d, PART_conv_part_unpack, 2, (Ref[]){sums, refs[2]}, &r->part);
    else if (d->op != CONV_GRAD_WEIGHT &&
             (bias.buf || residual.buf || d->relu || leaves_out(device, d)))
        set_part(device, d, PART_conv_part_finish, 3, (Ref[]){refs[2], bias, residual}, &r->part);
    return STATUS_OK;
}

Status conv_prepare(Device *device, const Step *step, Prepared *prepared)
{
    const ConvDesc *d = &step->conv;
    ConvRun *r = mem_zero(1, sizeof *r);
    prepared->own = r;
    prepared->run = run;
    prepared->release = release;
    if (d->op != CONV_PACK)
        return prepare_plan(device, step, r);
    set_part(device, d, PART_conv_part_pack, 2, step->refs, &r->part);
    return STATUS_OK;
}
