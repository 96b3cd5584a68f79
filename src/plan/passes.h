/* The passes of compile.c, each over the whole plan, and what they share. */
#ifndef PACO_PLAN_PASSES_H
#define PACO_PLAN_PASSES_H

#include "plan/plan.h"

/* ---- room.c */
/* Whether the backward pass should compute again what is cheap: where memory is everybody's, or the
 * device has no room for the graph as it is. */
bool plan_needs_room(const Plan *plan);

/* ---- copies.c: convolutions of 16 bits read and write copies, where the device wants that. */
void plan_copies(Plan *plan);

/* ---- types.c: layout and bytes of every value of the graph. */
void plan_types(Plan *plan);
/* Bytes of a value there. */
uint64_t plan_value_bytes(const Plan *plan, const Value *value);
/* Element i of the logical tensor, among the bytes of the value as the device has them. */
double plan_element(const Plan *plan, const PlanValue *v, const void *bytes, int64_t i);
void plan_set_element(const Plan *plan, const PlanValue *v, void *bytes, int64_t i, double x);

/* ---- memory.c: between which steps values live, and places for everything. */
void plan_liveness(Plan *plan);
void plan_memory(Plan *plan);
/* A companion of a parameter begins at a multiple of so many elements: whole pieces of 16 bytes of
 * the narrowest companion that it has, so that all have the same gaps. */
int64_t plan_param_align(const Plan *plan, const Value *value);

/* ---- check.c: what must hold afterwards. */
void plan_check(const Plan *plan);

/* ---- coalesce.c: runs of kernels over neighbouring ranges become one. */
void plan_coalesce(Plan *plan);

/* ---- slabs.c: the device's memory. */
/* Takes it. STATUS_LIMIT where the device has not so much left. */
Status plan_take(Plan *plan);
/* Resolves the operands of all steps to places in it. */
void plan_resolve(Plan *plan);
/* Fills all slabs but that of activations with zeros: state and constants start so, and padded
 * lanes stay so. */
Status plan_clear(Plan *plan);
/* Gives it back. */
void plan_release(Plan *plan);
/* What a slab is called in messages: "gradients". */
const char *slab_title(Slab slab);

/* ---- exchange.c: what processes do together. */
/* Once places are known. */
void exchange_open(Plan *plan);
void exchange_close(Exchange *exchange);
/* Whether these steps are launched in pieces, so that gradients travel while others are computed. */
bool exchange_launches(const Plan *plan, Segment segment, const StepParams *state);
/* Launches steps from to end - 1 so. */
Status exchange_launch(Plan *plan, int from, int end);
/* COMM steps first to first + count - 1, all of one CommOp. */
Status exchange_run(Plan *plan, int first, int count);
/* How many parts travel; what of the device the i-th is: malloc'd ranges, and how many they are. */
int exchange_parts(const Exchange *exchange);
int exchange_ranges(const Exchange *exchange, int i, GroupRange **ranges);

/* ---- group.c: the same by a group of devices. */
/* Begins to sum the part that travels as the i-th. */
Status group_sum(const Plan *plan, int i);
/* The rows of COMM steps first to first + count - 1, from all processes. */
Status group_gather(const Plan *plan, int first, int count);

/* Whether a step adds to what lies where it writes. */
static inline bool step_adds(const Step *step)
{
    return (step->kind == STEP_CONV && step->conv.accumulate) ||
           (step->kind == STEP_GEMM && step->gemm.beta != 0);
}

#endif
