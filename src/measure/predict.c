#include "measure/predict.h"

#include "base/check.h"
#include "plan/parts.h"

#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 64 };

typedef struct Kind {
    const char *label;
    int64_t steps, launches;
    double bytes, flops, seconds;
} Kind;

static double flops_at_most(const Ceilings *most, const Step *step)
{
    DType type = step->kind == STEP_CONV ? step->conv.type : DTYPE_F32;
    Math math = step->kind == STEP_CONV   ? step->conv.math
                : step->kind == STEP_GEMM ? step->gemm.math
                                          : MATH_STRICT;
    return type != DTYPE_F32 ? most->half : math == MATH_TF32 ? most->tf32 : most->float32;
}

static double step_seconds(const Ceilings *most, const Step *step)
{
    double memory = (double)step->bytes / most->bytes;
    double products = (double)step->flops / flops_at_most(most, step);
    return step->kind == STEP_COMM ? 0 : memory > products ? memory : products;
}

static void add(Kind *k, const Ceilings *most, const Step *step, int times)
{
    k->steps += times;
    k->launches += (int64_t)times * step->launches;
    k->bytes += times * (double)step->bytes;
    k->flops += times * (double)step->flops;
    k->seconds += times * step_seconds(most, step);
}

static int collect(const Plan *plan, bool evaluation, Kind kinds[KINDS_MAX])
{
    int used = 0;
    for (Segment s = 0; s < SEGMENT_COUNT; s++)
        for (int i = plan->begin[s]; i < plan->begin[s + 1]; i++) {
            if (segment_trains(s) == evaluation || segment_prepares(s))
                continue;
            const char *label = plan_step_label(&plan->steps[i]);
            int k = 0;
            while (k < used && strcmp(kinds[k].label, label) != 0)
                k++;
            CHECK(k < KINDS_MAX);
            if (k == used)
                kinds[used++] = (Kind){.label = label};
            add(&kinds[k], &plan->info->ceilings, &plan->steps[i],
                segment_turns(s, plan->graph->ranks));
        }
    return used;
}

double predict_seconds(const Plan *plan, bool evaluation)
{
    Kind kinds[KINDS_MAX];
    double seconds = 0;
    for (int k = collect(plan, evaluation, kinds) - 1; k >= 0; k--)
        seconds += kinds[k].seconds;
    return seconds;
}

/* Of two cores with wide vectors. */
static const Ceilings PROCESSOR = {.bytes = 20e9, .float32 = 200e9, .tf32 = 200e9, .half = 200e9};

double *predict_ready(const Plan *plan, int64_t *elements)
{
    SumVector vector = parts_vector(plan);
    const Ceilings *most = plan->info->ceilings.bytes > 0 ? &plan->info->ceilings : &PROCESSOR;
    int queries_end = plan->begin[SEGMENT_QUERY + 1],
        trains_end = plan->begin[SEGMENT_EPILOGUE + 1];
    *elements = vector.begin[vector.count];
    int parts = sum_parts(*elements), *steps = mem_zero((size_t)parts + 1, sizeof *steps);
    double *ready = mem_zero((size_t)parts + 1, sizeof *ready), seconds = 0;
    parts_ready(plan, &vector, steps);
    steps[parts] = queries_end;
    for (int i = 0, p = 0; i < trains_end; i++) {
        for (; p <= parts && steps[p] == i; p++)
            ready[p] = seconds;
        seconds += step_seconds(most, &plan->steps[i]);
    }
    for (int p = 0; p <= parts; p++)
        ready[p] /= seconds;
    parts_free(&vector);
    free(steps);
    return ready;
}

static void print_kind(const Kind *k, FILE *out)
{
    fprintf(out, "%-18s %6lld %9lld %9.3f %10.1f %10.3f\n", k->label, (long long)k->steps,
            (long long)k->launches, 1e-9 * k->bytes, 1e-9 * k->flops, 1e3 * k->seconds);
}

/* NULL: no convolution needs any. */
static const Step *largest_workspace(const Plan *plan)
{
    const Step *most = NULL;
    for (int i = 0; i < plan->steps_count; i++)
        if (plan->steps[i].kind == STEP_CONV &&
            plan->steps[i].workspace_bytes > (most ? most->workspace_bytes : 0))
            most = &plan->steps[i];
    return most;
}

void predict_print(const Plan *plan, bool evaluation, int64_t images, FILE *out)
{
    const Ceilings *most = &plan->info->ceilings;
    Kind kinds[KINDS_MAX], all = {.label = "in all"};
    int used = collect(plan, evaluation, kinds);
    fprintf(out,
            "prediction, nothing was measured: %.2f TB/s, %.0f TFLOP/s in fp32, %.0f in tf32, %.0f "
            "in 16 bits\n",
            1e-12 * most->bytes, 1e-12 * most->float32, 1e-12 * most->tf32, 1e-12 * most->half);
    fprintf(out, "kind                steps  launches        GB      Gflop         ms\n");
    for (int k = 0; k < used; k++) {
        print_kind(&kinds[k], out);
        all.steps += kinds[k].steps, all.launches += kinds[k].launches;
        all.bytes += kinds[k].bytes, all.flops += kinds[k].flops;
        all.seconds += kinds[k].seconds;
    }
    print_kind(&all, out);
    const Step *large = largest_workspace(plan);
    fprintf(out, "largest workspace of a convolution: %.1f MiB, %s\n",
            large ? (double)large->workspace_bytes / (1 << 20) : 0, large ? large->name : "none");
    fprintf(out,
            "predicted: %.2f ms a %s, %.0f images/s, %lld launches, a call of cuDNN or cuBLASLt "
            "counted as one\n",
            1e3 * all.seconds, evaluation ? "batch" : "step", (double)images / all.seconds,
            (long long)all.launches);
}
