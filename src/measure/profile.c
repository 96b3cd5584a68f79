/* Profiles: where the time of a step goes, step by step and by kind of step. */
#include "base/arena.h"
#include "measure/bench_parts.h"
#include "measure/seconds.h"

#include <stdlib.h>
#include <string.h>

double bench_per(double a, double b)
{
    return b > 0 ? a / b : 0;
}

double bench_share_of_peak(double flops, double bytes, double seconds, const Peak *peak)
{
    double f = bench_per(bench_per(flops, seconds), peak->flops);
    double b = bench_per(bench_per(bytes, seconds), peak->bandwidth);
    return 100 * (f > b ? f : b);
}

double *profile_new(const Bench *b)
{
    const Plan *plan = session_plan(b->run.session);
    size_t n = (size_t)b->options->repeats;
    bool wanted = plan && b->options->profile;
    return wanted ? mem_zero((size_t)plan->steps_count * n, sizeof(double)) : NULL;
}

typedef struct Line {
    const Step *step;
    double seconds;
} Line;

typedef struct Group {
    const char *label;
    double seconds, flops, bytes;
    int count;
} Group;

static int slower_first(const void *a, const void *b)
{
    double x = ((const Line *)a)->seconds, y = ((const Line *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void print_groups(const Line *lines, int count, double total, const Peak *peak)
{
    Group groups[64];
    int used = 0;
    for (int i = 0; i < count; i++) {
        const char *label = plan_step_label(lines[i].step);
        int g = 0;
        while (g < used && strcmp(groups[g].label, label) != 0)
            g++;
        if (g == used && used < 64)
            groups[used++] = (Group){.label = label};
        groups[g].seconds += lines[i].seconds;
        groups[g].flops += (double)lines[i].step->flops;
        groups[g].bytes += (double)lines[i].step->bytes;
        groups[g].count++;
    }
    fprintf(stderr,
            "peak measured: %.1f GFLOP/s, %.1f GB/s; a step's share of it is that of what limits "
            "it. Operations "
            "are those of the textbook: Winograd's form does fewer, and caches move more than "
            "memory: shares may pass "
            "100 %%\n",
            1e-9 * peak->flops, 1e-9 * peak->bandwidth);
    fprintf(stderr, "%-18s %6s %10s %7s %9s %8s %8s\n", "kind of step", "steps", "ms", "share",
            "GFLOP/s", "GB/s", "of peak");
    for (int g = 0; g < used; g++)
        fprintf(stderr, "%-18s %6d %10.2f %6.1f%% %9.1f %8.1f %7.1f%%\n", groups[g].label,
                groups[g].count, 1e3 * groups[g].seconds, 100 * bench_per(groups[g].seconds, total),
                1e-9 * bench_per(groups[g].flops, groups[g].seconds),
                1e-9 * bench_per(groups[g].bytes, groups[g].seconds),
                bench_share_of_peak(groups[g].flops, groups[g].bytes, groups[g].seconds, peak));
}

static void print_lines(const Line *lines, int count, double total, const Peak *peak)
{
    fprintf(stderr, "\n%10s %7s %9s %8s %8s  step\n", "ms", "share", "GFLOP/s", "GB/s", "of peak");
    for (int i = 0; i < count; i++) {
        const Step *s = lines[i].step;
        double flops = (double)s->flops, bytes = (double)s->bytes, seconds = lines[i].seconds;
        fprintf(stderr, "%10.3f %6.2f%% %9.1f %8.1f %7.1f%%  %-16s %-34s %s\n", 1e3 * seconds,
                100 * bench_per(seconds, total), 1e-9 * bench_per(flops, seconds),
                1e-9 * bench_per(bytes, seconds), bench_share_of_peak(flops, bytes, seconds, peak),
                plan_step_label(s), s->name, s->algorithm ? s->algorithm : "");
    }
}

Status profile_note(const Bench *b, double *times, int repeat)
{
    const Plan *plan = session_plan(b->run.session);
    for (int i = 0; i < plan->steps_count; i++)
        if (segment_trains(plan->plan_steps[i].segment) != b->evaluation)
            TRY(plan->backend->elapsed(plan->device, &plan->steps[i],
                                       &times[i * b->options->repeats + repeat]));
    return STATUS_OK;
}

void profile_print(const Bench *b, double *times)
{
    const Plan *plan = session_plan(b->run.session);
    int repeats = b->options->repeats;
    Line *lines = mem_zero((size_t)plan->steps_count, sizeof *lines);
    double total = 0;
    int count = 0;
    for (int i = 0; i < plan->steps_count; i++) {
        if (segment_trains(plan->plan_steps[i].segment) == b->evaluation)
            continue;
        double *own = times + i * repeats;
        seconds_sort(own, repeats);
        lines[count++] = (Line){&plan->steps[i], own[repeats / 2]};
        total += own[repeats / 2];
    }
    qsort(lines, (size_t)count, sizeof *lines, slower_first);
    print_groups(lines, count, total, &b->peak);
    print_lines(lines, count, total, &b->peak);
    free(lines);
}
