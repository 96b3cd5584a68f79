/* Graph: building, finding, printing. */
#include "graph/graph.h"

#include "base/check.h"
#include "graph/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    bool trains, ranked;
    const char *what;
} segments[] = {
#define X(name, trains, ranked, what) {#name, trains, ranked, what},
    SEGMENT_LIST(X)
#undef X
};

const char *segment_name(Segment segment)
{
    return segments[segment].name;
}

const char *segment_what(Segment segment)
{
    return segments[segment].what;
}

bool segment_trains(Segment segment)
{
    return segments[segment].trains;
}

bool segment_prepares(Segment segment)
{
    return segment == SEGMENT_COPIES || segment == SEGMENT_FOLD;
}

int segment_turns(Segment segment, Ranks ranks)
{
    return segments[segment].ranked ? ranks.own : 1;
}

Graph *graph_new(void)
{
    Graph *graph = mem_zero(1, sizeof *graph);
    graph->ranks = ranks_whole(1);
    return graph;
}

void graph_free(Graph *graph)
{
    if (!graph)
        return;
    free(graph->nodes);
    free(graph->values);
    arena_free(&graph->arena);
    free(graph);
}

Value *graph_value(Graph *graph, const char *name, Role role, DType dtype, Dims dims)
{
    if (graph->values_count == graph->values_room) {
        graph->values_room = graph->values_room ? 2 * graph->values_room : 256;
        graph->values = mem_grow(graph->values, (size_t)graph->values_room * sizeof *graph->values);
    }
    Value *value = arena_alloc(&graph->arena, sizeof *value);
    *value = (Value){.id = graph->values_count, .name = arena_printf(&graph->arena, "%s", name),
                     .role = role, .dtype = dtype, .dims = dims};
    graph->values[graph->values_count++] = value;
    return value;
}

Value *graph_companion_of(const Graph *graph, const Value *param, Role role)
{
    for (int i = 0; i < graph->values_count; i++)
        if (graph->values[i]->of == param && graph->values[i]->role == role)
            return graph->values[i];
    return NULL;
}

Value *graph_companion(Graph *graph, Value *param, Role role, const char *name)
{
    Value *value = graph_companion_of(graph, param, role);
    if (value)
        return value;
    value = graph_value(graph, name, role, param->dtype, param->dims);
    value->of = param;
    value->kind = param->kind;
    value->fan_in = param->fan_in;
    return value;
}

Value *graph_find(const Graph *graph, const char *name)
{
    for (int i = 0; i < graph->values_count; i++)
        if (strcmp(graph->values[i]->name, name) == 0)
            return graph->values[i];
    return NULL;
}

Node *graph_node(Graph *graph, OpKind op, const void *attrs, size_t attrs_bytes, int in_count,
                 Value *const *in)
{
    CHECK(in_count <= NODE_MAX_IN);
    if (graph->nodes_count == graph->nodes_room) {
        graph->nodes_room = graph->nodes_room ? 2 * graph->nodes_room : 256;
        graph->nodes = mem_grow(graph->nodes, (size_t)graph->nodes_room * sizeof *graph->nodes);
    }
    Node *node = arena_alloc(&graph->arena, sizeof *node);
    *node =
        (Node){.id = graph->nodes_count, .op = op, .in_count = in_count, .segment = graph->segment};
    node->attrs = arena_copy(&graph->arena, attrs, attrs_bytes);
    node->name = arena_printf(&graph->arena, "%s", graph->scope ? graph->scope : op_get(op)->name);
    memcpy(node->in, in, (size_t)in_count * sizeof *in);
    check_context = node->name;
    op_get(op)->infer(graph, node);
    check_context = NULL;
    graph->nodes[graph->nodes_count++] = node;
    return node;
}

Value *node_output(Graph *graph, Node *node, const char *name, DType dtype, Dims dims)
{
    CHECK(node->out_count < NODE_MAX_OUT);
    char full[256];
    snprintf(full, sizeof full, "%s.%s", node->name, name);
    Value *value = graph_value(graph, full, ROLE_ACTIVATION, dtype, dims);
    value->producer = node;
    node->out[node->out_count++] = value;
    return value;
}

static bool lies_by_channels(const Value *value, int rank)
{
    bool features =
        value->role == ROLE_ACTIVATION || value->role == ROLE_OUTPUT || value->role == ROLE_STATE;
    return features && value->dims.rank == rank;
}

bool value_is_image(const Value *value)
{
    return lies_by_channels(value, 4);
}

bool value_is_features(const Value *value)
{
    return lies_by_channels(value, 2) && value->dtype != DTYPE_I32;
}

bool value_is_copy(const Value *value)
{
    return value->role == ROLE_COPY || value->role == ROLE_EMA_COPY ||
           value->role == ROLE_GRAD_COPY;
}

DType graph_stored(const Graph *graph, const Value *value)
{
    bool stored = value_is_image(value) || value_is_copy(value);
    return stored && value->dtype == DTYPE_F32 ? graph->storage : value->dtype;
}

int node_uses(const Node *node, const Value *value)
{
    int count = 0;
    for (int i = 0; i < node->in_count; i++)
        count += node->in[i] == value;
    return count;
}

void graph_sort_segments(Graph *graph)
{
    int n = graph->nodes_count, count = 0;
    Node **sorted = mem_alloc((size_t)(n + 1) * sizeof *sorted);
    for (int s = 0; s < SEGMENT_COUNT; s++)
        for (int i = 0; i < n; i++)
            if ((int)graph->nodes[i]->segment == s)
                sorted[count++] = graph->nodes[i];
    for (int i = 0; i < count; i++)
        sorted[i]->id = i;
    free(graph->nodes);
    graph->nodes = sorted;
    graph->nodes_room = n + 1;
}

static void dump_value(FILE *file, const Value *value)
{
    if (!value) {
        fputs(" -", file);
        return;
    }
    fprintf(file, " %%%d[", value->id);
    for (int i = 0; i < value->dims.rank; i++)
        fprintf(file, "%s%lld", i ? "," : "", (long long)value->dims.d[i]);
    fputc(']', file);
}

void graph_dump(const Graph *graph, void *file)
{
    for (int i = 0; i < graph->nodes_count; i++) {
        const Node *n = graph->nodes[i];
        fprintf(file, "%-8s %-18s", segment_name(n->segment), op_get(n->op)->name);
        for (int j = 0; j < n->in_count; j++)
            dump_value(file, n->in[j]);
        fputs(" ->", file);
        for (int j = 0; j < n->out_count; j++)
            dump_value(file, n->out[j]);
        fprintf(file, "  %s\n", n->name);
    }
}
