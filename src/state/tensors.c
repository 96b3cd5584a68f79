/* Lists of tensors. PyTorch's order is the order in which modules were made, which is that of the
 * graph's parameters; what a module keeps beside its parameters stands behind them. */
#include "state/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ModelTensor *tensors_add(TensorList *list, const char *name, ElementType type, Dims dims)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 256;
        list->items = mem_grow(list->items, (size_t)list->room * sizeof *list->items);
    }
    ModelTensor *t = &list->items[list->count++];
    *t = (ModelTensor){
        .name = arena_printf(&list->arena, "%s", name), .type = type, .dims = dims};
    return t;
}

void tensors_add_value(TensorList *list, const Value *value, bool parameter)
{
    if (!value)
        return;
    bool integer = value->dtype == DTYPE_I32; /* PyTorch's integers have 64 bits */
    ModelTensor *t = tensors_add(list, value->name, integer ? ELEMENT_INT64 : ELEMENT_FLOAT32,
                                 value->dims);
    t->value = value;
    t->parameter = parameter;
}

/* What a batch norm keeps beside its weight and bias. */
static const char *const statistics[] = {"running_mean", "running_var"},
                         counter[] = "num_batches_tracked";

/* A graph that does not train on a side has none of its statistics. */
static void add_statistics(TensorList *list, const Graph *graph, const char *bias)
{
    char name[256];
    int stem = (int)(strlen(bias) - strlen("bias"));
    const Value *value = NULL;
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%.*s%s", stem, bias, statistics[i]);
        tensors_add_value(list, value = graph_find(graph, name), false);
    }
    snprintf(name, sizeof name, "%.*s%s", stem, bias, counter);
    if (value)
        tensors_add(list, name, ELEMENT_INT64, (Dims){0})->need = TENSOR_OPTIONAL;
}

void tensors_ignore(TensorList *list, const char *name)
{
    tensors_add(list, name, ELEMENT_FLOAT32, (Dims){0})->need = TENSOR_IGNORED;
}

void tensors_ignore_module(TensorList *list, const char *module, bool norm)
{
    const char *parts[] = {"weight", "bias", statistics[0], statistics[1], counter};
    for (int i = 0; i < (norm ? 5 : 2); i++) {
        char name[256];
        snprintf(name, sizeof name, "%s.%s", module, parts[i]);
        tensors_ignore(list, name);
    }
}

void tensors_add_side(TensorList *list, const Graph *graph, const char *prefix, bool key)
{
    for (int i = 0; i < graph->values_count; i++) {
        const Value *param = graph->values[i];
        if (param->role != ROLE_PARAM || strncmp(param->name, prefix, strlen(prefix)) != 0)
            continue;
        const Value *v = key ? graph_companion_of(graph, param, ROLE_EMA) : param;
        if (!v)
            continue;
        tensors_add_value(list, v, true);
        if (!key)
            list->items[list->count - 1].velocity =
                graph_companion_of(graph, param, ROLE_MOMENTUM);
        if (param->kind == PARAM_BN_BIAS)
            add_statistics(list, graph, v->name);
    }
}

const ModelTensor *tensors_find(const ModelTensor *items, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

size_t tensors_bytes(const ModelTensor *t)
{
    return (size_t)dims_count(t->dims) * element_bytes(t->type);
}

void tensors_free(TensorList *list)
{
    free(list->items);
    arena_free(&list->arena);
    *list = (TensorList){0};
}
