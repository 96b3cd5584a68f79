/* Of cuDNN what needs a device: opening it, and executing a plan, whose text (JSON) says what it computes. */
#include "sim.h"

#include "base/json.h"
#include "device/dtype.h"

#include <cudnn_graph.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cudnnContext {
    cudaStream_t stream;
};

#ifdef __SANITIZE_ADDRESS__
/* cuDNN loads it for many an engine and closes it again; what it leaves would have no name for tests/lsan.supp. */
__attribute__((constructor)) static void keep_nvrtc(void)
{
    char name[32];
    snprintf(name, sizeof name, "libnvrtc.so.%d", CUDART_VERSION / 1000);
    dlopen(name, RTLD_LAZY | RTLD_NODELETE);
}
#endif

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    *handle = calloc(1, sizeof **handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

static void fail(const char *what)
{
    fprintf(stderr, "simulated GPU: cuDNN: %s\n", what);
    abort();
}

/* ---- what a plan says of its convolution */

typedef struct Tensor {
    DType type;
    int64_t dims[4], strides[4];
    bool rounded; /* float32 of which tensor cores read what TF32 holds */
    char *place;
} Tensor;

typedef struct Convolution {
    Tensor x, w, y;
    char operation; /* 'F'orward, backward 'D'ata, backward 'W'eights */
    double alpha, beta;
    int64_t pad[2], stride[2];
    char *workspace;
    int64_t workspace_bytes;
} Convolution;

static void numbers(const Json *array, int64_t *to, int count)
{
    const Json *element = array->child;
    for (int i = 0; i < count; i++, element = element->next)
        to[i] = element->integer;
}

static void read_tensor(const Json *graph, const char *name, Tensor *t)
{
    for (const Json *j = json_get(graph, "tensors")->child; j; j = j->next) {
        if (strcmp(json_text(j, "name", ""), name) != 0)
            continue;
        const char *type = json_text(j, "dataType", "");
        t->type = strstr(type, "BFLOAT16") ? DTYPE_BF16 : strstr(type, "HALF") ? DTYPE_F16 : DTYPE_F32;
        numbers(json_get(j, "dim"), t->dims, 4);
        numbers(json_get(j, "stride"), t->strides, 4);
        return;
    }
    fail("a plan whose text lacks a tensor");
}

/* The first of these members that there is. */
static const char *operand(const Json *node, const char *a, const char *b)
{
    return json_text(node, a, json_text(node, b, ""));
}

/* Whether the engine of a plan rounds what it multiplies. */
static bool rounds(cudnnBackendDescriptor_t plan)
{
    enum { MOST = 32 };
    cudnnBackendDescriptor_t config, engine;
    int notes[MOST];
    int64_t count = 0, one;
    bool found = false;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config) ||
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) ||
        cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one,
                                 &config) ||
        cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one, &engine) ||
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, MOST, &count,
                                 notes))
        fail("a plan without an engine");
    for (int64_t i = 0; i < count; i++)
        found |= notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    cudnnBackendDestroyDescriptor(engine);
    cudnnBackendDestroyDescriptor(config);
    return found;
}

static void read_plan(cudnnBackendDescriptor_t plan, Convolution *c)
{
    static char text[1 << 16];
    int64_t length = 0, one;
    Arena arena = {0};
    Json *root;
    if (cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, sizeof text,
                                 &length, text) ||
        json_parse(&arena, "plan", text, strnlen(text, (size_t)length), &root) != STATUS_OK)
        fail("a plan without a text, or with one that is no JSON");
    const Json *graph = json_get(root, "operationGraph"), *node = json_get(graph, "nodes")->child;
    const char *operation = json_text(node, "operation", "");
    c->operation = strstr(operation, "FORWARD") ? 'F' : strstr(operation, "DATA") ? 'D' : 'W';
    c->alpha = json_number(node, "alpha", -1);
    c->beta = json_number(node, "beta", -1);
    numbers(json_get(node, "pad"), c->pad, 2);
    numbers(json_get(node, "stride"), c->stride, 2);
    if (json_get(node, "dilation")->child->integer != 1)
        fail("a dilation");
    read_tensor(graph, operand(node, "X", "dX"), &c->x);
    read_tensor(graph, operand(node, "W", "dW"), &c->w);
    read_tensor(graph, operand(node, "Y", "dY"), &c->y);
    if (cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one,
                                 &c->workspace_bytes))
        fail("a plan without a workspace");
    c->x.rounded = c->w.rounded = c->y.rounded = c->x.type == DTYPE_F32 && rounds(plan);
    arena_free(&arena);
}

/* ---- computing: tensors as dense doubles, channels last ([N][H][W][C], weights [R][S][K][C]) */

static int64_t count_of(const Tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* Element (n, c, h, w) of memory. */
static char *element(const Tensor *t, int64_t n, int64_t c, int64_t h, int64_t w)
{
    return t->place +
           (n * t->strides[0] + c * t->strides[1] + h * t->strides[2] + w * t->strides[3]) * dtype_bytes(t->type);
}

static double get(const Tensor *t, const char *p)
{
    float f;
    uint16_t bits;
    if (t->type == DTYPE_F32)
        return memcpy(&f, p, 4), f;
    return memcpy(&bits, p, 2), half_value(t->type, bits);
}

static void put(const Tensor *t, char *p, double v)
{
    float f = (float)v;
    uint16_t bits;
    if (t->type == DTYPE_F32)
        memcpy(p, &f, 4);
    else
        bits = half_bits(t->type, f), memcpy(p, &bits, 2);
}

/* Which element of the dense form (n, c, h, w) is. */
static int64_t dense(const Tensor *t, bool weights, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t *d = t->dims;
    return weights ? ((h * d[3] + w) * d[0] + n) * d[1] + c : ((n * d[2] + h) * d[3] + w) * d[1] + c;
}

#define EACH(t, n, c, h, w)                              \
    for (int64_t n = 0; n < (t)->dims[0]; n++)           \
        for (int64_t h = 0; h < (t)->dims[2]; h++)       \
            for (int64_t w = 0; w < (t)->dims[3]; w++)   \
                for (int64_t c = 0; c < (t)->dims[1]; c++)

static double *load(const Tensor *t, bool weights)
{
    double *out = malloc((size_t)count_of(t) * sizeof *out);
    EACH(t, n, c, h, w) {
        double v = get(t, element(t, n, c, h, w));
        out[dense(t, weights, n, c, h, w)] = t->rounded ? sim_tf32((float)v) : v;
    }
    return out;
}

/* result = alpha sums + beta result; with beta 0 what was there is not read. */
static void store(const Convolution *conv, const Tensor *t, bool weights, const double *sums)
{
    EACH(t, n, c, h, w) {
        char *p = element(t, n, c, h, w);
        double v = conv->alpha * sums[dense(t, weights, n, c, h, w)];
        put(t, p, conv->beta != 0 ? v + conv->beta * get(t, p) : v);
    }
}

/* Visits every pair of an output pixel and a tap whose input pixel exists, with each group's first channels. */
static void convolve(const Convolution *v, double *x, double *w, double *y)
{
    const int64_t *X = v->x.dims, *W = v->w.dims, *Y = v->y.dims;
    int64_t groups = X[1] / W[1], outs = W[0] / groups, ins = W[1];
    for (int64_t n = 0; n < X[0]; n++)
        for (int64_t p = 0; p < Y[2]; p++)
            for (int64_t q = 0; q < Y[3]; q++)
                for (int64_t r = 0; r < W[2]; r++)
                    for (int64_t s = 0; s < W[3]; s++) {
                        int64_t h = p * v->stride[0] - v->pad[0] + r, i = q * v->stride[1] - v->pad[1] + s;
                        if (h < 0 || h >= X[2] || i < 0 || i >= X[3])
                            continue;
                        for (int64_t k = 0; k < W[0]; k++) {
                            double *xs = x + ((n * X[2] + h) * X[3] + i) * X[1] + k / outs * ins;
                            double *ws = w + ((r * W[3] + s) * W[0] + k) * ins;
                            double *to = y + ((n * Y[2] + p) * Y[3] + q) * Y[1] + k, sum = 0, dy = *to;
                            if (v->operation == 'F') {
                                for (int64_t c = 0; c < ins; c++)
                                    sum += xs[c] * ws[c];
                                *to += sum;
                            } else if (v->operation == 'D') {
                                for (int64_t c = 0; c < ins; c++)
                                    xs[c] += dy * ws[c];
                            } else {
                                for (int64_t c = 0; c < ins; c++)
                                    ws[c] += dy * xs[c];
                            }
                        }
                    }
}

static double *zeros(const Tensor *t)
{
    return calloc((size_t)count_of(t), sizeof(double));
}

static void execute(void *own)
{
    Convolution *c = own;
    double *x = c->operation == 'D' ? zeros(&c->x) : load(&c->x, false);
    double *w = c->operation == 'W' ? zeros(&c->w) : load(&c->w, true);
    double *y = c->operation == 'F' ? zeros(&c->y) : load(&c->y, false);
    if (c->workspace_bytes)
        memset(c->workspace, 0xff, (size_t)c->workspace_bytes);
    convolve(c, x, w, y);
    if (c->operation == 'F')
        store(c, &c->y, false, y);
    else if (c->operation == 'D')
        store(c, &c->x, false, x);
    else
        store(c, &c->w, true, w);
    free(x);
    free(w);
    free(y);
}

/* cuDNN does not say where the tensors of a pack lie, so this listens when they are set. */
typedef struct Places {
    struct Places *next;
    cudnnBackendDescriptor_t pack;
    int64_t ids[3];
    void *tensors[3], *workspace;
} Places;

static Places *packs;

static Places *places_of(cudnnBackendDescriptor_t pack)
{
    for (Places *p = packs; p; p = p->next)
        if (p->pack == pack)
            return p;
    Places *p = calloc(1, sizeof *p);
    *p = (Places){.next = packs, .pack = pack};
    return packs = p;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    static cudnnStatus_t (*real)(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t, cudnnBackendAttributeType_t,
                                 int64_t, const void *);
    if (!real) {
        void *library = dlopen("libcudnn_graph.so.9", RTLD_NOW | RTLD_NOLOAD);
        void *symbol = library ? dlsym(library, "cudnnBackendSetAttribute") : NULL;
        if (!symbol)
            fail("no library");
        memcpy(&real, &symbol, sizeof real);
    }
    if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)
        memcpy(places_of(d)->ids, values, sizeof packs->ids);
    else if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)
        memcpy(places_of(d)->tensors, values, sizeof packs->tensors);
    else if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE)
        memcpy(&places_of(d)->workspace, values, sizeof packs->workspace);
    return real(d, name, type, count, values);
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    Convolution *c = calloc(1, sizeof *c);
    const Places *p = places_of(pack);
    uintptr_t all = 0;
    read_plan(plan, c);
    for (int i = 0; i < 3; i++) {
        (p->ids[i] == 1 ? &c->x : p->ids[i] == 2 ? &c->w : &c->y)->place = p->tensors[i];
        all |= (uintptr_t)p->tensors[i];
    }
    c->workspace = p->workspace;
    if (all % 16 || !c->x.place || !c->w.place || !c->y.place || (c->workspace_bytes && !c->workspace)) {
        free(c);
        return CUDNN_STATUS_BAD_PARAM;
    }
    sim_enqueue(handle->stream, execute, c);
    return CUDNN_STATUS_SUCCESS;
}
