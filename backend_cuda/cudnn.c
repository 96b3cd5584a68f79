#include "cudnn.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef cudnnBackendDescriptor_t Descriptor;

/* ---- descriptors: what fails is destroyed */

static Status begin(cudnnBackendDescriptorType_t type, Descriptor *d)
{
    CUDNN_TRY(cudnnBackendCreateDescriptor(type, d), "cudnnBackendCreateDescriptor");
    return STATUS_OK;
}

static Status set(Descriptor d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  int64_t count, const void *values)
{
    CUDNN_TRY(cudnnBackendSetAttribute(d, name, type, count, values), "cudnnBackendSetAttribute");
    return STATUS_OK;
}

static Status set_descriptor(Descriptor d, cudnnBackendAttributeName_t name, Descriptor value)
{
    return set(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static Status finish(Descriptor d, const char *what)
{
    CUDNN_TRY(cudnnBackendFinalize(d), what);
    return STATUS_OK;
}

static void destroy(Descriptor d)
{
    if (d)
        cudnnBackendDestroyDescriptor(d);
}

/* ---- the graph of one convolution */

static cudnnDataType_t type_of(DType type)
{
    return type == DTYPE_F16    ? CUDNN_DATA_HALF
           : type == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16
                                : CUDNN_DATA_FLOAT;
}

/* dims: N C H W with pixels `width` elements apart, or with 0 K C/groups R S, dense. */
static Status make_tensor(int64_t id, DType stored, const int64_t dims[4], int64_t width,
                          Descriptor *tensor)
{
    const int64_t align = 16, area = dims[2] * dims[3];
    const int64_t last[4] = {width * area, 1, width * dims[3], width};
    const int64_t first[4] = {dims[1] * area, area, dims[3], 1};
    cudnnDataType_t type = type_of(stored);
    TRY(begin(CUDNN_BACKEND_TENSOR_DESCRIPTOR, tensor));
    TRY(set(*tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id));
    TRY(set(*tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    TRY(set(*tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims));
    TRY(set(*tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, width ? last : first));
    TRY(set(*tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align));
    return finish(*tensor, "tensor");
}

static Status make_convolution(const ConvDesc *d, Descriptor *convolution)
{
    const int64_t rank = 2, dilation[2] = {1, 1}, stride[2] = {d->stride, d->stride};
    const int64_t pad[2] = {d->pad, d->pad};
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    TRY(begin(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, convolution));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &rank));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad));
    TRY(set(*convolution, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad));
    return finish(*convolution, "convolution");
}

/* cuDNN's names for each operation. */
static const struct {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t alpha, beta, convolution, x, w, y;
} operations[] = {
    [CONV_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
    [CONV_GRAD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY},
    [CONV_GRAD_WEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY},
};

/* What a plan multiplies its sums by before it rounds them. */
static float sum_scale(const ConvDesc *d)
{
    return d->op == CONV_GRAD_WEIGHT ? device_grad_scale(d->type, (int64_t)d->N * d->P * d->Q) : 1;
}

static Status make_graph(const Device *device, const ConvDesc *d, Descriptor parts[CONV_PARTS])
{
    const int64_t x_width = device_width(&device->info, d->C),
                  y_width = device_width(&device->info, d->K);
    const float alpha = sum_scale(d), beta = d->accumulate ? 1 : 0;
    TRY(make_tensor(TENSOR_X, d->type, (int64_t[]){d->N, d->C, d->H, d->W}, x_width,
                    &parts[CONV_PART_X]));
    TRY(make_tensor(TENSOR_W, d->type, (int64_t[]){d->K, d->C / d->groups, d->R, d->S}, 0,
                    &parts[CONV_PART_W]));
    TRY(make_tensor(TENSOR_Y, d->type, (int64_t[]){d->N, d->K, d->P, d->Q}, y_width,
                    &parts[CONV_PART_Y]));
    TRY(make_convolution(d, &parts[CONV_PART_CONVOLUTION]));
    Descriptor *operation = &parts[CONV_PART_OPERATION], *graph = &parts[CONV_PART_GRAPH];
    TRY(begin(operations[d->op].type, operation));
    TRY(set(*operation, operations[d->op].alpha, CUDNN_TYPE_FLOAT, 1, &alpha));
    TRY(set(*operation, operations[d->op].beta, CUDNN_TYPE_FLOAT, 1, &beta));
    TRY(set_descriptor(*operation, operations[d->op].convolution, parts[CONV_PART_CONVOLUTION]));
    TRY(set_descriptor(*operation, operations[d->op].x, parts[CONV_PART_X]));
    TRY(set_descriptor(*operation, operations[d->op].w, parts[CONV_PART_W]));
    TRY(set_descriptor(*operation, operations[d->op].y, parts[CONV_PART_Y]));
    TRY(finish(*operation, "operation"));
    TRY(begin(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, graph));
    TRY(set_descriptor(*graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, *operation));
    return finish(*graph, "operation graph");
}

/* ---- engines */

/* Notes of an engine as bits. */
static uint32_t notes_of(Descriptor engine, cudnnBackendAttributeName_t name,
                         cudnnBackendAttributeType_t type)
{
    enum { MOST = 32 };
    int notes[MOST];
    int64_t count = 0;
    uint32_t bits = 0;
    if (cudnnBackendGetAttribute(engine, name, type, MOST, &count, notes) != CUDNN_STATUS_SUCCESS)
        return ~0u;
    for (int64_t i = 0; i < count && i < MOST; i++)
        bits |= 1u << notes[i];
    return bits;
}

static bool wanted(const ConvDesc *d, Descriptor engine)
{
    const uint32_t rounding = 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE |
                              1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    uint32_t numerical = notes_of(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                  CUDNN_TYPE_NUMERICAL_NOTE),
             behaviour = notes_of(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                  CUDNN_TYPE_BEHAVIOR_NOTE);
    bool strict = d->type == DTYPE_F32 && d->math == MATH_STRICT;
    return !(numerical & 1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) &&
           !(numerical & 1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) &&
           !(behaviour & 1u << CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) &&
           !(strict && numerical & rounding);
}

/* "cudnn-ENGINE-KNOB=VALUE-...": says which plan it is, also to the same cuDNN elsewhere. */
static void name_config(Descriptor config, Descriptor engine, char *name, size_t size)
{
    enum { MOST = 16 };
    int64_t index = -1, count = 0;
    Descriptor knobs[MOST] = {0};
    cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                             &index);
    int length = snprintf(name, size, "cudnn-%lld", (long long)index);
    for (int i = 0; i < MOST; i++)
        if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &knobs[i]))
            knobs[i] = NULL;
    count = 0;
    cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                             CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST, &count, knobs);
    for (int64_t i = 0; i < MOST; i++) {
        cudnnBackendKnobType_t type = 0;
        int64_t one, value = 0;
        if (i < count && length < (int)size &&
            !cudnnBackendGetAttribute(knobs[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
                                      CUDNN_TYPE_KNOB_TYPE, 1, &one, &type) &&
            !cudnnBackendGetAttribute(knobs[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE,
                                      CUDNN_TYPE_INT64, 1, &one, &value))
            length += snprintf(name + length, size - (size_t)length, "-%d=%lld", (int)type,
                               (long long)value);
        destroy(knobs[i]);
    }
}

static bool known(const ConvPlans *plans, const char *name)
{
    for (int i = 0; i < plans->count; i++)
        if (strcmp(plans->plans[i].name, name) == 0)
            return true;
    return false;
}

/* Takes the configuration over. */
static void add_config(Descriptor config, ConvPlans *plans)
{
    Descriptor engine = NULL;
    int64_t one;
    ConvPlan plan = {.config = config};
    bool good =
        !cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) &&
        !cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one, &engine) &&
        wanted(&plans->desc, engine);
    if (good)
        name_config(config, engine, plan.name, sizeof plan.name);
    if (good && !known(plans, plan.name)) {
        plans->plans = mem_grow(plans->plans, (size_t)(plans->count + 1) * sizeof plan);
        plans->plans[plans->count++] = plan;
    } else {
        destroy(config);
    }
    destroy(engine);
}

static Status add_configs(const Device *device, Descriptor graph, cudnnBackendHeurMode_t mode,
                          ConvPlans *plans)
{
    enum { MOST = 64 };
    Descriptor heuristics = NULL, configs[MOST] = {0};
    int64_t count = 0;
    Status status = begin(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics);
    if (status == STATUS_OK)
        status = set_descriptor(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    if (status == STATUS_OK)
        status = set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (status == STATUS_OK)
        status = set_descriptor(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device->properties);
    if (status == STATUS_OK)
        status = finish(heuristics, "heuristics");
    for (int i = 0; status == STATUS_OK && i < MOST; i++)
        status = begin(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]);
    if (status == STATUS_OK &&
        cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST, &count, configs))
        count = 0;
    for (int64_t i = 0; i < MOST; i++) {
        if (i < count)
            add_config(configs[i], plans);
        else
            destroy(configs[i]);
    }
    destroy(heuristics);
    return status;
}

static Status no_plan(const ConvDesc *d)
{
    return status_fail(STATUS_DEVICE,
                       "cuda: cuDNN %zu has no deterministic plan for this convolution (%d "
                       "images %dx%dx%d, %d kernels %dx%d, stride %d, %d groups, %s%s)",
                       cudnnGetVersion(), d->N, d->C, d->H, d->W, d->K, d->R, d->S, d->stride,
                       d->groups, dtype_word(d->type), math_phrase(d->math));
}

static Status find_configs(const Device *device, ConvPlans *plans)
{
    const Descriptor *graph = &plans->parts[CONV_PART_GRAPH];
    TRY(make_graph(device, &plans->desc, plans->parts));
    TRY(add_configs(device, *graph, CUDNN_HEUR_MODE_A, plans));
    TRY(add_configs(device, *graph, CUDNN_HEUR_MODE_FALLBACK, plans));
    return plans->count ? STATUS_OK : no_plan(&plans->desc);
}

/* ---- plans of configurations */

static Status make_plan(const Device *device, ConvPlan *plan)
{
    int64_t bytes = 0, one;
    TRY(begin(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan));
    TRY(set_descriptor(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device->properties));
    TRY(set_descriptor(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, plan->config));
    TRY(finish(plan->plan, "plan"));
    CUDNN_TRY(cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                       CUDNN_TYPE_INT64, 1, &one, &bytes),
              "workspace of a plan");
    plan->workspace = (uint64_t)bytes;
    return STATUS_OK;
}

/* Whether there is a plan: cuDNN offers some configurations that it then refuses. */
static bool finalise(const Device *device, ConvPlan *plan)
{
    if (!plan->tried && make_plan(device, plan) != STATUS_OK) {
        destroy(plan->plan);
        plan->plan = NULL;
    }
    plan->tried = true;
    return plan->plan != NULL;
}

/* The first within the cap, else the one that needs least; NULL: none becomes a plan. */
static const ConvPlan *usual_plan(const Device *device, ConvPlans *plans)
{
    const ConvPlan *least = NULL;
    for (int i = 0; i < plans->count; i++) {
        ConvPlan *p = &plans->plans[i];
        if (!finalise(device, p))
            continue;
        if (p->workspace <= WORKSPACE_MAX)
            return p;
        if (!least || p->workspace < least->workspace)
            least = p;
    }
    return least;
}

Status cudnn_plan(const Device *device, ConvPlans *plans, const char *name, const ConvPlan **found)
{
    for (int i = 0; name && i < plans->count; i++)
        if (strcmp(plans->plans[i].name, name) == 0 && finalise(device, &plans->plans[i])) {
            *found = &plans->plans[i];
            return STATUS_OK;
        }
    *found = usual_plan(device, plans);
    return *found ? STATUS_OK : no_plan(&plans->desc);
}

const ConvPlan *cudnn_candidate(const Device *device, ConvPlans *plans, int i)
{
    const ConvPlan *usual = usual_plan(device, plans);
    if (usual && usual->workspace > WORKSPACE_MAX)
        return i == 0 ? usual : NULL;
    for (int at = 0; at < plans->count; at++)
        if (finalise(device, &plans->plans[at]) && plans->plans[at].workspace <= WORKSPACE_MAX &&
            i-- == 0)
            return &plans->plans[at];
    return NULL;
}

/* ---- plans of a device */

static void free_plans(ConvPlans *plans)
{
    for (int i = 0; i < plans->count; i++) {
        destroy(plans->plans[i].plan);
        destroy(plans->plans[i].config);
    }
    for (int i = CONV_PARTS - 1; i >= 0; i--)
        destroy(plans->parts[i]);
    free(plans->plans);
    free(plans);
}

Status cudnn_plans(Device *device, const ConvDesc *desc, ConvPlans **found)
{
    ConvDesc d;
    memset(&d, 0, sizeof d); /* compared as bytes */
    d.op = desc->op, d.type = desc->type, d.math = desc->math, d.accumulate = desc->accumulate;
    d.N = desc->N, d.C = desc->C, d.H = desc->H, d.W = desc->W, d.K = desc->K, d.R = desc->R;
    d.S = desc->S, d.P = desc->P, d.Q = desc->Q;
    d.stride = desc->stride, d.pad = desc->pad, d.groups = desc->groups;
    for (ConvPlans *p = device->plans; p; p = p->next)
        if (memcmp(&p->desc, &d, sizeof d) == 0) {
            *found = p;
            return STATUS_OK;
        }
    ConvPlans *plans = mem_zero(1, sizeof *plans);
    memcpy(&plans->desc, &d, sizeof d);
    Status status = find_configs(device, plans);
    if (status != STATUS_OK) {
        free_plans(plans);
        return status;
    }
    plans->next = device->plans;
    *found = device->plans = plans;
    return STATUS_OK;
}

Status cudnn_pack(const void *x, const void *w, const void *y, const void *workspace,
                  cudnnBackendDescriptor_t *pack)
{
    const int64_t ids[] = {TENSOR_X, TENSOR_W, TENSOR_Y};
    const void *places[] = {x, w, y};
    TRY(begin(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, pack));
    TRY(set(*pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids));
    TRY(set(*pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, places));
    TRY(set(*pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace));
    return finish(*pack, "places of a convolution");
}

void cudnn_release(Device *device)
{
    while (device->plans) {
        ConvPlans *plans = device->plans;
        device->plans = plans->next;
        free_plans(plans);
    }
}
