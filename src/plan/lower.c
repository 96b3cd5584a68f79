/* Lowering: steps are collected with value ids for operands; slabs.c turns those into places. */
#include "plan/lower.h"

#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void grow_steps(Lowering *l)
{
    Plan *plan = l->plan;
    if (plan->steps_count < l->room)
        return;
    l->room = l->room ? 2 * l->room : 512;
    plan->steps = mem_grow(plan->steps, (size_t)l->room * sizeof *plan->steps);
    plan->plan_steps = mem_grow(plan->plan_steps, (size_t)l->room * sizeof *plan->plan_steps);
}

static PlanOperand operand_place(Operand operand)
{
    return (PlanOperand){operand.value ? operand.value->id : -1, operand.off};
}

/* Appends a step with its operands; later calls may move it. */
static Step *append(Lowering *l, StepKind kind, Segment segment, int count, const Operand *operands)
{
    static const PlanOperand none = {-1, 0};
    grow_steps(l);
    Step *step = &l->plan->steps[l->plan->steps_count];
    PlanStep *where = &l->plan->plan_steps[l->plan->steps_count++];
    CHECK(count <= STEP_MAX_REFS);
    *step = (Step){.kind = kind, .refs_count = count, .name = l->node->name};
    step->launches = kind != STEP_COMM;
    *where = (PlanStep){.segment = segment, .node = l->node, .packed = none, .workspace = none};
    for (int i = 0; i < count; i++) {
        where->operands[i] = operand_place(operands[i]);
        step->writes |= (uint32_t)operands[i].write << i;
        step->given |= (uint32_t)(operands[i].value != NULL) << i;
    }
    return step;
}

static PlanStep *last_place(Lowering *l)
{
    return &l->plan->plan_steps[l->plan->steps_count - 1];
}

/* What the images among the operands are stored in, where that is not their own type: one for all
 * of them. */
static DType images_type(const Lowering *l, int count, const Operand *operands)
{
    for (int i = 0; i < count; i++) {
        const Value *v = operands[i].value;
        if (v && graph_stored(l->plan->graph, v) != v->dtype)
            return graph_stored(l->plan->graph, v);
    }
    return DTYPE_F32;
}

void lower_kernel(Lowering *l, KernelId id, const void *args, size_t args_bytes, Grid grid,
                  int64_t flops, int count, const Operand *operands)
{
    CHECK(args_bytes <= KERNEL_ARGS_MAX);
    Step *step = append(l, STEP_KERNEL, l->segment, count, operands);
    step->flops = flops;
    step->kernel.id = id;
    step->kernel.type = images_type(l, count, operands);
    step->kernel.args_bytes = (uint32_t)args_bytes;
    memcpy(step->kernel.args, args, args_bytes);
    for (int i = 0; i < 3; i++)
        step->kernel.global[i] = grid.items[i] ? grid.items[i] : 1;
    for (int i = 0; grid.group && i < 3; i++)
        step->kernel.local[i] = i ? 1 : grid.group;
}

/* A value of `bytes` bytes that lives in the activation slab without a layout. */
static Value *derived(Lowering *l, const char *name, uint64_t bytes)
{
    return graph_value(l->plan->graph, name, ROLE_DERIVED, DTYPE_F32,
                       DIMS1((int64_t)(bytes + 3) / 4));
}

/* The latest refusal becomes the status of lowering; the one before it is told now. */
static void refuse(Lowering *l, Status status, const char *name)
{
    status_prefix(status, "%s", name);
    if (l->refused[0])
        log_error("%s", l->refused);
    snprintf(l->refused, sizeof l->refused, "%s", status_text());
    l->plan->status = status;
}

/* Asks the backend about the newest step and gives it the scratch it wants. */
static void choose(Lowering *l)
{
    Plan *plan = l->plan;
    Step *step = &plan->steps[plan->steps_count - 1];
    if (plan->status != STATUS_OK && !l->looks_on)
        return;
    step->algorithm = tuning_find(plan->tuning, step);
    Status status = plan->backend->choose(plan->device, step);
    if (status != STATUS_OK)
        refuse(l, status, step->name);
    else if (step->workspace_bytes)
        last_place(l)->workspace.value = derived(l, "workspace", step->workspace_bytes)->id;
}

void lower_gemm(Lowering *l, GemmDesc gemm, Operand a, Operand b, Operand c, Operand bias)
{
    c.write = true;
    const Operand operands[] = {a, b, c, bias};
    Step *step = append(l, STEP_GEMM, l->segment, 4, operands);
    step->gemm = gemm;
    step->gemm.type = images_type(l, 4, operands);
    step->gemm.math = l->plan->info->math;
    step->flops = 2 * (int64_t)gemm.M * gemm.N * gemm.K;
    choose(l);
}

/* The packed copy of a weight that suits `conv`: made once per step where several ranks use it,
 * else right before its use, so that it need not live long. Returns its value's id. */
static int packed_weight(Lowering *l, const Step *conv, Operand weight)
{
    Plan *plan = l->plan;
    bool often = plan->graph->ranks.own > 1 || l->segment == SEGMENT_EVAL;
    Segment segment = l->segment == SEGMENT_EVAL ? SEGMENT_FOLD
                      : often                    ? SEGMENT_PROLOGUE
                                                 : l->segment;
    for (int i = 0; often && i < plan->steps_count; i++) {
        const Step *s = &plan->steps[i];
        if (s->kind == STEP_CONV && s->conv.op == CONV_PACK &&
            plan->plan_steps[i].segment == segment && s->packed_layout == conv->packed_layout &&
            plan->plan_steps[i].operands[0].value == weight.value->id)
            return plan->plan_steps[i].operands[1].value;
    }
    Value *packed = derived(l, "packed", conv->packed_bytes);
    Step *step = append(l, STEP_CONV, segment, 2, (Operand[]){weight, OUT(packed)});
    step->conv = conv->conv;
    step->conv.op = CONV_PACK;
    step->conv.packed_for = conv->conv.op;
    step->conv.relu = step->conv.accumulate = false; /* of the convolution, not of packing */
    step->packed_layout = conv->packed_layout;
    step->algorithm = conv->algorithm;
    return packed->id;
}

void lower_conv(Lowering *l, ConvDesc conv, int weight, int count, const Operand *operands)
{
    Plan *plan = l->plan;
    Step *step = append(l, STEP_CONV, l->segment, count, operands);
    step->conv = conv;
    step->conv.type = plan->graph->storage;
    step->conv.math = step->conv.type == DTYPE_F32 ? plan->info->math : MATH_STRICT;
    step->flops =
        2 * (int64_t)conv.N * conv.K * conv.P * conv.Q * (conv.C / conv.groups) * conv.R * conv.S;
    choose(l);
    step = &plan->steps[plan->steps_count - 1];
    if (step->packed_bytes == 0 || plan->status != STATUS_OK)
        return;
    Step whole = *step;
    PlanStep place = *last_place(l);
    plan->steps_count--; /* the pack step goes before it, and the weights need not live on */
    place.packed.value = packed_weight(l, &whole, operands[weight]);
    place.operands[weight] = operand_place((Operand){0});
    append(l, STEP_CONV, l->segment, count, operands);
    plan->steps[plan->steps_count - 1] = whole;
    *last_place(l) = place;
}

void lower_fill(Lowering *l, Operand to, uint64_t bytes, uint32_t pattern)
{
    to.write = true;
    Step *step = append(l, STEP_FILL, l->segment, 1, &to);
    step->bytes = (int64_t)bytes;
    step->fill.pattern = pattern;
}

void lower_copy(Lowering *l, Operand from, Operand to, uint64_t bytes)
{
    to.write = true;
    Step *step = append(l, STEP_COPY, l->segment, 2, (Operand[]){from, to});
    step->bytes = (int64_t)bytes;
}

void lower_comm(Lowering *l, CommOp op, int count, const Operand *operands)
{
    append(l, STEP_COMM, l->segment, count, operands)->comm = op;
}

void lower_moves(Lowering *l, int64_t bytes)
{
    l->plan->steps[l->plan->steps_count - 1].bytes = bytes;
}

/* Whether no later node reads this activation, and this one reads it as one operand only: as
 * another it may be read in another order than it is written over. */
static bool last_use(const Lowering *l, const Value *value)
{
    const Graph *graph = l->plan->graph;
    if (value->role != ROLE_ACTIVATION || value->producer->segment != l->node->segment ||
        node_uses(l->node, value) > 1)
        return false;
    for (int i = l->node->id + 1; i < graph->nodes_count; i++)
        if (node_uses(graph->nodes[i], value))
            return false;
    return true;
}

bool lower_over(Lowering *l, const Value *out, const Value *in)
{
    Plan *plan = l->plan;
    /* What the host reads lives in another slab, behind the end of the step. */
    if (out->role != ROLE_ACTIVATION || !last_use(l, in))
        return false;
    if (plan->overs_count == plan->overs_room) {
        plan->overs_room = plan->overs_room ? 2 * plan->overs_room : 64;
        plan->overs = mem_grow(plan->overs, (size_t)plan->overs_room * sizeof *plan->overs);
    }
    plan->overs[plan->overs_count++] = (PlanOver){out->id, in->id};
    return true;
}

void lower_accumulate(Lowering *l, const Value *out, const Value *in)
{
    if (!lower_over(l, out, in))
        lower_copy(
            l, IN(in), OUT(out),
            (uint64_t)(lower_layout(l, in).count * dtype_bytes(graph_stored(l->plan->graph, in))));
}

Layout lower_layout(const Lowering *l, const Value *v)
{
    return layout_of(l->plan->info, v);
}

Layout lower_pixels(const Lowering *l, const Value *v)
{
    Layout a = lower_layout(l, v);
    if (!l->plan->info->channel_block) {
        a.HW *= a.N;
        a.N = 1;
    }
    return a;
}

Value *lower_temp(Lowering *l, int64_t count)
{
    return derived(l, "temp", (uint64_t)count * 4);
}

Operand lower_state(const Lowering *l)
{
    return IN(l->plan->graph->values[l->plan->state]);
}

const Value *lower_arrivals(Lowering *l, int count)
{
    Plan *plan = l->plan;
    if (!(plan->info->caps & CAP_LAST_TEAM))
        return NULL;
    if (!plan->arrivals)
        plan->arrivals =
            graph_value(plan->graph, "arrivals", ROLE_STATE, DTYPE_I32, DIMS1(count));
    if (plan->arrivals->dims.d[0] < count)
        plan->arrivals->dims = DIMS1(count);
    return plan->arrivals;
}

static bool on_cpu(const Lowering *l)
{
    return l->plan->info->caps & CAP_CPU;
}

/* A few per core of a CPU, on a GPU so many per unit that the memory never waits for them. */
int64_t lower_busy_items(const DeviceInfo *info)
{
    return (info->caps & CAP_CPU ? 4 : 1024) * (int64_t)info->units;
}

static int64_t busy_items(const Lowering *l)
{
    return lower_busy_items(l->plan->info);
}

static uint32_t team(const Lowering *l)
{
    return device_team(l->plan->info);
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

Grid lower_range(const Lowering *l, int64_t n, long *chunk)
{
    int64_t each = divide_up(n, busy_items(l)), least = on_cpu(l) ? 4096 : 16;
    *chunk = (long)(divide_up(each < least ? least : each, 16) * 16);
    return lower_teams(l, divide_up(divide_up(n, *chunk), team(l)), 1, 1);
}

Grid lower_teams(const Lowering *l, int64_t x, int64_t y, int64_t z)
{
    return (Grid){{(uint32_t)x * team(l), (uint32_t)y, (uint32_t)z}, team(l)};
}

static int tile_vectors(const Lowering *l)
{
    return CHANNEL_TILE / device_lanes(l->plan->info);
}

Grid lower_planes(const Lowering *l, Layout a, int64_t least)
{
    int64_t planes = (int64_t)a.tiles * a.N;
    /* On GPUs a team takes the vectors of a tile of channels, one by each of its members. */
    int64_t parts = divide_up(a.HW, on_cpu(l) ? least : team(l) / tile_vectors(l));
    return lower_teams(l, lower_splits(l, planes, parts), a.tiles, a.N);
}

int lower_splits(const Lowering *l, int64_t teams, int64_t parts)
{
    int64_t splits = divide_up(busy_items(l) / team(l), teams);
    return (int)(splits < 1 ? 1 : splits > parts ? parts : splits);
}

int lower_pieces(const Lowering *l, Layout a)
{
    enum { LEAST_ROUNDS = 4 }; /* pixels of each member of a team */
    int64_t wanted = divide_up(busy_items(l) / team(l), (int64_t)a.tiles * a.N),
            most = a.HW / team(l) * tile_vectors(l) / LEAST_ROUNDS;
    int64_t pieces = wanted < most ? wanted : most;
    return on_cpu(l) || pieces < 1 ? 1 : (int)pieces;
}
