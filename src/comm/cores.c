/* Threads of one core stay together, and cores of one package, so that processes share neither a
 * core nor, where it can be helped, a memory. */
#define _GNU_SOURCE /* cpu_set_t */
#include "comm/cores.h"

#include "base/arena.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int by_place(const void *a, const void *b)
{
    const Processor *p = a, *q = b;
    if (p->package != q->package)
        return p->package < q->package ? -1 : 1;
    if (p->core != q->core)
        return p->core < q->core ? -1 : 1;
    return p->number < q->number ? -1 : p->number > q->number;
}

/* Sorts them and counts their cores: ordinal[i] is that of all[i]. */
static int count_cores(Processor *all, int n, int *ordinal)
{
    int cores = 0;
    qsort(all, (size_t)n, sizeof *all, by_place);
    for (int i = 0; i < n; i++) {
        bool same = i > 0 && all[i].package == all[i - 1].package && all[i].core == all[i - 1].core;
        ordinal[i] = same ? cores - 1 : cores++;
    }
    return cores;
}

int cores_share(Processor *all, int n, int index, int count)
{
    int *ordinal = mem_zero((size_t)n, sizeof *ordinal), owned = 0;
    int cores = count_cores(all, n, ordinal);
    for (int i = 0; i < n && cores >= count; i++)
        if (ordinal[i] >= cores * index / count && ordinal[i] < cores * (index + 1) / count)
            all[owned++] = all[i];
    free(ordinal);
    return owned;
}

/* A number in the system's description of a processor; where there is none, `other`. */
static int fact(int number, const char *name, int other)
{
    char path[96];
    int value = other;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", number, name);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%d", &value) != 1)
        value = other;
    if (f)
        fclose(f);
    return value;
}

int cores_bind(int index, int count)
{
    Processor *all = mem_zero(CPU_SETSIZE, sizeof *all);
    int n = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                all[n++] = (Processor){i, fact(i, "physical_package_id", 0), fact(i, "core_id", i)};
    int owned = cores_share(all, n, index, count);
    CPU_ZERO(&set);
    for (int i = 0; i < owned; i++)
        CPU_SET(all[i].number, &set);
    free(all);
    return owned > 0 && sched_setaffinity(0, sizeof set, &set) == 0 ? n : 0;
}
