/* ResNets as graphs. Names and order of parameters are PyTorch's: encoder_q.layer1.0.conv1.weight,
 * ... */
#include "model/resnet.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { NAME_ROOM = 320 }; /* of a full name: any name of a layer with its prefix */

static const double BN_EPS = 1e-5, BN_MOMENTUM = 0.1;

static const Arch archs[] = {
#define ARCH(name, family, block, a, b, c, d, groups, width) \
    {#name, FAMILY_##family, BLOCK_##block, {a, b, c, d}, groups, width},
#include "model/arch.def"
#undef ARCH
};

enum { ARCH_COUNT = sizeof archs / sizeof *archs };

const Arch *arch_at(int i)
{
    return i < ARCH_COUNT ? &archs[i] : NULL;
}

const Arch *arch_find(const char *name)
{
    for (int i = 0; i < ARCH_COUNT; i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}

const Family *arch_family(const Arch *arch)
{
    static const Family families[] = {
#define X(name, words, stem, small, projects) {words, stem, small, projects},
        FAMILY_LIST(X)
#undef X
    };
    return &families[arch->family];
}

int arch_features(const Arch *arch)
{
    int planes = arch_family(arch)->stem;
    for (int s = 1; s < 4 && arch->layers[s]; s++)
        planes *= 2;
    return arch->block == BLOCK_BASIC ? planes : 4 * planes;
}

int arch_least_size(const Arch *arch)
{
    return arch_family(arch)->small ? 4 : 32;
}

/* ------------------------------------------------------------------------------------ parameters
 */

/* A parameter as this network sees it: itself, or its copy in the key encoder. */
static Value *net_param(Net *net, const char *name, Dims dims, ParamKind kind, int64_t fan_in)
{
    char full[NAME_ROOM];
    const char *prefix = strncmp(name, "linear.", 7) == 0 ? "" : "encoder_q.";
    snprintf(full, sizeof full, "%s%s", prefix, name);
    Value *param = graph_find(net->graph, full);
    if (!param) {
        param = graph_value(net->graph, full, ROLE_PARAM, DTYPE_F32, dims);
        param->kind = kind;
        param->fan_in = fan_in;
        param->trainable = true;
    }
    if (net->mode != NET_KEY)
        return param;
    snprintf(full, sizeof full, "encoder_k.%s", name);
    return graph_companion(net->graph, param, ROLE_EMA, full);
}

static Value *net_running(Net *net, const char *name, const char *what, int channels,
                          ParamKind kind)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "encoder_%c.%s.%s", net->mode == NET_KEY ? 'k' : 'q', name, what);
    Value *value = graph_find(net->graph, full);
    if (!value) {
        value = graph_value(net->graph, full, ROLE_STATE, DTYPE_F32, DIMS1(channels));
        value->kind = kind;
    }
    return value;
}

/* Names the nodes added next, also those that the caller of this function's caller adds: the text
 * lives as long as the graph. */
static void enter(Net *net, const char *name)
{
    static const char *const names[] = {"encoder_q", "encoder_k", "eval"};
    net->graph->scope = arena_printf(&net->graph->arena, "%s.%s", names[net->mode], name);
}

/* ------------------------------------------------------------------------------------ layers */

static Value *conv(Net *net, const char *name, Value *x, int K, int R, int stride, int groups)
{
    char weight[256];
    int C = (int)x->dims.d[1];
    enter(net, name);
    snprintf(weight, sizeof weight, "%s.weight", name);
    Value *w = net_param(net, weight, DIMS4(K, C / groups, R, R), PARAM_CONV_WEIGHT,
                         (int64_t)C / groups * R * R);
    ConvAttrs attrs = {stride, R / 2, groups, (int)x->dims.d[2], (int)x->dims.d[3]};
    return NODE(net->graph, conv, &attrs, x, w)->out[0];
}

static Value *bn(Net *net, const char *name, Value *x, bool last)
{
    char weight[256], bias[256];
    int C = (int)x->dims.d[1];
    enter(net, name);
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    Value *gamma =
        net_param(net, weight, DIMS1(C), last ? PARAM_BN_WEIGHT_LAST : PARAM_BN_WEIGHT, 0);
    Value *beta = net_param(net, bias, DIMS1(C), PARAM_BN_BIAS, 0);
    Value *mean = net_running(net, name, "running_mean", C, PARAM_RUNNING_MEAN);
    Value *var = net_running(net, name, "running_var", C, PARAM_RUNNING_VAR);
    BnAttrs attrs = {BN_EPS, BN_MOMENTUM};
    if (net->mode == NET_EVAL)
        return NODE(net->graph, bn_eval, &attrs, x, gamma, beta, mean, var)->out[0];
    return NODE(net->graph, bn, &attrs, x, gamma, beta, mean, var)->out[0];
}

static Value *relu(Net *net, Value *x)
{
    return NODE(net->graph, relu, &(NoAttrs){0}, x)->out[0];
}

typedef struct LinearParams {
    Value *weight, *bias;
} LinearParams;

static LinearParams linear_params(Net *net, const char *name, int in, int out)
{
    char weight[256], bias[256];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    return (LinearParams){net_param(net, weight, DIMS2(out, in), PARAM_LINEAR_WEIGHT, in),
                          net_param(net, bias, DIMS1(out), PARAM_LINEAR_BIAS, in)};
}

static Value *linear(Net *net, const char *name, Value *x, int out)
{
    enter(net, name);
    LinearParams p = linear_params(net, name, (int)x->dims.d[1], out);
    return NODE(net->graph, linear, &(NoAttrs){0}, x, p.weight, p.bias)->out[0];
}

/* ------------------------------------------------------------------------------------ blocks */

typedef struct Block {
    char prefix[64]; /* layer1.0 */
    int width, out, stride;
} Block;

static const char *part(const Block *b, const char *name, char *to, size_t room)
{
    snprintf(to, room, "%s.%s", b->prefix, name);
    return to;
}

/* What is added to the block's output: x itself, subsampled with zero channels (option A), or
 * projected. */
static Value *shortcut(Net *net, const Block *b, Value *x)
{
    char name[128];
    if (b->stride == 1 && x->dims.d[1] == b->out)
        return x;
    if (!arch_family(net->arch)->projects) {
        enter(net, part(b, "shortcut", name, sizeof name));
        ShortcutAttrs attrs = {b->out, (int)x->dims.d[2], (int)x->dims.d[3]};
        return NODE(net->graph, shortcut_a, &attrs, x)->out[0];
    }
    x = conv(net, part(b, "downsample.0", name, sizeof name), x, b->out, 1, b->stride, 1);
    return bn(net, part(b, "downsample.1", name, sizeof name), x, false);
}

static Value *block(Net *net, const Block *b, Value *x)
{
    char name[128];
    bool basic = net->arch->block == BLOCK_BASIC;
    Value *y = conv(net, part(b, "conv1", name, sizeof name), x, b->width, basic ? 3 : 1,
                    basic ? b->stride : 1, 1);
    y = relu(net, bn(net, part(b, "bn1", name, sizeof name), y, false));
    y = conv(net, part(b, "conv2", name, sizeof name), y, b->width, 3, basic ? 1 : b->stride,
             basic ? 1 : net->arch->groups);
    y = bn(net, part(b, "bn2", name, sizeof name), y, basic);
    if (!basic) {
        y = conv(net, part(b, "conv3", name, sizeof name), relu(net, y), b->out, 1, 1, 1);
        y = bn(net, part(b, "bn3", name, sizeof name), y, true);
    }
    Value *identity = shortcut(net, b, x);
    enter(net, part(b, "add", name, sizeof name));
    return relu(net, NODE(net->graph, add, &(NoAttrs){0}, y, identity)->out[0]);
}

static Value *stage(Net *net, int number, Value *x)
{
    const Arch *a = net->arch;
    int planes = arch_family(a)->stem << (number - 1);
    for (int i = 0; i < a->layers[number - 1]; i++) {
        Block b = {.stride = i == 0 && number > 1 ? 2 : 1, .width = planes, .out = planes};
        if (a->block == BLOCK_BOTTLENECK) {
            b.width = planes * a->group_width / 64 * a->groups;
            b.out = 4 * planes;
        }
        snprintf(b.prefix, sizeof b.prefix, "layer%d.%d", number, i);
        x = block(net, &b, x);
    }
    return x;
}

/* ------------------------------------------------------------------------------------ networks */

Value *net_pooled(Net *net, Value *x)
{
    const Family *family = arch_family(net->arch);
    int side = family->small ? 3 : 7, stride = family->small ? 1 : 2;
    x = relu(net, bn(net, "bn1", conv(net, "conv1", x, family->stem, side, stride, 1), false));
    if (!family->small) {
        enter(net, "maxpool");
        PoolAttrs attrs = {3, 2, 1, (int)x->dims.d[2], (int)x->dims.d[3]};
        x = NODE(net->graph, max_pool, &attrs, x)->out[0];
    }
    for (int i = 1; i <= 4; i++)
        x = stage(net, i, x);
    enter(net, "avgpool");
    return NODE(net->graph, avg_pool, &(NoAttrs){0}, x)->out[0];
}

Value *net_head(Net *net, Value *h, int dim, bool mlp)
{
    if (!mlp)
        return linear(net, "fc", h, dim);
    Value *x = linear(net, "fc.0", h, (int)h->dims.d[1]);
    x = relu(net, bn(net, "fc.1", x, false));
    return linear(net, "fc.3", x, dim);
}

void net_declare_head(Net *net, int dim, bool mlp)
{
    int features = arch_features(net->arch);
    if (!mlp) {
        linear_params(net, "fc", features, dim);
        return;
    }
    linear_params(net, "fc.0", features, features);
    net_param(net, "fc.1.weight", DIMS1(features), PARAM_BN_WEIGHT, 0);
    net_param(net, "fc.1.bias", DIMS1(features), PARAM_BN_BIAS, 0);
    net_running(net, "fc.1", "running_mean", features, PARAM_RUNNING_MEAN);
    net_running(net, "fc.1", "running_var", features, PARAM_RUNNING_VAR);
    linear_params(net, "fc.3", features, dim);
}

Value *net_classifier(Net *net, Value *h, int classes, bool cosine)
{
    enter(net, "normalize");
    if (cosine)
        h = NODE(net->graph, l2norm, &(NoAttrs){0}, h)->out[0];
    return linear(net, "linear", h, classes);
}

Graph *net_graph(const Arch *arch, int classes)
{
    int size = arch_least_size(arch);
    Net net = {graph_new(), arch, NET_EVAL};
    Value *x = graph_value(net.graph, "image", ROLE_INPUT, DTYPE_F32, DIMS4(1, 3, size, size));
    Value *h = net_pooled(&net, x);
    if (classes > 0)
        net_classifier(&net, h, classes, false);
    net.graph->scope = NULL;
    return net.graph;
}
