/* Plans under test: a backend that computes nothing, small models for it, and an independent account of memory. */
#ifndef PACO_TESTS_SUPPORT_PLAN_H
#define PACO_TESTS_SUPPORT_PLAN_H

#include "plan/passes.h"
#include "support_model.h"

/* ------------------------------------------------------------------------------------ a backend of paper */

typedef struct Paper {
    DeviceInfo info;
    int live;       /* buffers */
    int fail_after; /* allocations that succeed; -1: all */
    uint64_t room, held; /* bytes of buffers that there may be (0: any number), and that there are */
    int refused;    /* convolutions with this stride have no plan; 0: all have */
    const Step *ran[4]; /* where the latest runs began */
    int runs;
} Paper;

extern const Backend paper_backend;

/* A processor with vectors of 16 channels, whose buffers are at most so large. */
Paper paper_new(uint64_t max_alloc);
/* A device that takes weights of 16 bits as parameters lie, their channels in eights. */
Paper paper_plain(void);

/* ------------------------------------------------------------------------------------ plans */

/* Compiles the graph for it; a refusal fails the test. */
Plan *compile(Graph *graph, Paper *paper, bool fuse);
/* A training step of a small ResNet-20, and its evaluation; what it was made from. */
Graph *model_graph(int ranks, ModelConfig *config);
/* For ModelConfig.trainable: all but the second stage. */
bool not_layer2(const char *name, const void *context);

/* Whether it lives in the activation slab. */
bool tagged(const PlanValue *v);
/* Walks the plan step by step, rank by rank, with a tag on every word of the activation slab that says whose contents
 * lie there, and looks at the places of what lives always. */
void check_plan(const Plan *plan, const Paper *paper);

/* Steps of a kernel. */
int count_steps(const Plan *plan, KernelId kernel);
/* Of a kernel with RangeArgs: its steps, and the elements and bytes that they go over. */
typedef struct Ranges {
    int steps;
    int64_t elements, bytes;
} Ranges;
Ranges count_ranges(const Plan *plan, KernelId kernel);

#endif
