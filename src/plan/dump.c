/* A plan in print: its steps with their places, and its memory. */
#include "plan/passes.h"

#include <stdio.h>
#include <string.h>

static const char *const slab_names[SLAB_COUNT] = {
#define X(name, word, title) word,
    SLAB_LIST(X)
#undef X
};
const char *plan_step_label(const Step *step)
{
    static const char *const kernels[] = {
#define KERNEL(name, refs, args, file, passes) #name,
#include "device/kernels.def"
#undef KERNEL
    };
    static const char *const kinds[] = {
#define X(name, word) word,
        STEP_KIND_LIST(X)
#undef X
    };
    static const char *const convs[] = {
#define X(name, word, algorithm) word,
        CONV_OP_LIST(X)
#undef X
    };
    if (step->kind == STEP_KERNEL)
        return kernels[step->kernel.id];
    return step->kind == STEP_CONV ? convs[step->conv.op] : kinds[step->kind];
}

static void print_operand(FILE *file, const Plan *plan, PlanOperand operand, bool written)
{
    if (operand.value < 0) {
        fputs(" -", file);
        return;
    }
    const PlanValue *v = &plan->values[operand.value];
    fprintf(file, " %s%d[", written ? "=" : "%", operand.value);
    for (int i = 0; i < v->value->dims.rank; i++)
        fprintf(file, "%s%lld", i ? "," : "", (long long)v->value->dims.d[i]);
    fprintf(file, "]%s@%s%d+%llu", v->stored == DTYPE_F32 ? "" : dtype_word(v->stored),
            slab_names[v->slab], v->buffer, (unsigned long long)(v->off + operand.off));
}

void plan_dump_steps(const Plan *plan, void *file)
{
    for (int i = 0; i < plan->steps_count; i++) {
        const Step *s = &plan->steps[i];
        fprintf(file, "%4d %-8s %-17s %-34s %10.2f KiB %9.2f Mflop", i,
                segment_name(plan->plan_steps[i].segment), plan_step_label(s), s->name,
                (double)s->bytes / 1024, 1e-6 * (double)s->flops);
        for (int j = 0; j < s->refs_count; j++)
            print_operand(file, plan, plan->plan_steps[i].operands[j], s->writes >> j & 1);
        if (plan->plan_steps[i].packed.value >= 0) {
            fputs(" packed", file);
            print_operand(file, plan, plan->plan_steps[i].packed, false);
        }
        if (plan->plan_steps[i].joined) {
            RangeArgs args;
            memcpy(&args, s->kernel.args, sizeof args);
            fprintf(file, " and on: %ld elements", args.n);
        }
        fputc('\n', file);
    }
}

void plan_dump_memory(const Plan *plan, void *file)
{
    fprintf(file, "slab     buffers        MiB\n");
    for (int s = 0; s < SLAB_COUNT; s++)
        fprintf(file, "%-8s %7d %10.1f\n", slab_names[s], plan->slabs[s].count,
                (double)plan_slab_bytes(plan, (Slab)s) / (1 << 20));
    fprintf(file, "in all           %10.1f\n", (double)plan_bytes(plan) / (1 << 20));
    fprintf(file,
            "activations: %.1f MiB if each had its own place, %.1f MiB planned; the peak is at %s, "
            "where %.1f MiB are "
            "alive\n",
            (double)plan->requested / (1 << 20),
            (double)plan_slab_bytes(plan, SLAB_ACTIVATION) / (1 << 20),
            plan->peak ? plan->peak : "-", (double)plan->peak_bytes / (1 << 20));
}

static void print_kind(const char *title, uint64_t bytes, const char *what, void *file)
{
    if (bytes)
        fprintf(file, "%-20s %10.1f%s%s\n", title, (double)bytes / (1 << 20), *what ? "  " : "",
                what);
}

static void print_memory(const Plan *plan, void *file)
{
    fprintf(file, "memory                      MiB\n");
    for (Slab s = 0; s < SLAB_ACTIVATION; s++)
        print_kind(slab_title(s), plan_slab_bytes(plan, s), "", file);
    print_kind(slab_title(SLAB_ACTIVATION),
               plan_slab_bytes(plan, SLAB_ACTIVATION) - plan->peak_derived, "", file);
    print_kind("workspace", plan->peak_derived,
               "packed weights and scratch where most activations are alive", file);
    print_kind("in all", plan_bytes(plan), "", file);
}

static void print_segments(const Plan *plan, void *file)
{
    int64_t all = 0;
    fprintf(file, "segment           steps   times\n");
    for (Segment s = 0; s < SEGMENT_COUNT; s++) {
        int steps = plan->begin[s + 1] - plan->begin[s];
        int times = segment_prepares(s) ? 0 : segment_turns(s, plan->graph->ranks);
        all += (int64_t)steps * times;
        if (steps)
            fprintf(file, "%-12s %10d %7d  %s\n", segment_name(s), steps, times, segment_what(s));
    }
    fprintf(file, "in all       %18lld\n", (long long)all);
}

void plan_print_summary(const Plan *plan, void *file)
{
    print_memory(plan, file);
    print_segments(plan, file);
}
