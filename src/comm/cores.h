/* The share of a host's cores that each of its processes runs on. Private to src/comm. */
#ifndef PACO_COMM_CORES_H
#define PACO_COMM_CORES_H

/* A processor as the system numbers it: a thread of a core of a package. */
typedef struct Processor {
    int number, package, core;
} Processor;

/* Moves to the front those of all[n] that process `index` of `count` runs on, and returns how many:
 * whole cores, neighbours, as many for each process as can be; 0 where there are fewer cores than
 * processes. The order of all[] is lost. */
int cores_share(Processor *all, int n, int index, int count);

/* Binds this thread, and those that it will start, to the share of process `index` of `count` in
 * the processors that it may run on. Returns how many those were; 0: they are as they were. */
int cores_bind(int index, int count);

#endif
