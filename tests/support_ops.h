/* The cases of every operator: a row of ops.def without its cases is a link error. */
#ifndef PACO_TESTS_SUPPORT_OPS_H
#define PACO_TESTS_SUPPORT_OPS_H

#include "support_graph.h"

#define OP(name, attrs, grad, remake, mutates, casts, trait) void cases_##name(Rig *rig);
#include "graph/ops.def"
#undef OP

/* Chains that fusion turns into one operator, against the reference, which never fuses. */
void cases_fusion(Rig *rig);

/* One not-a-number goes in, and comes out where PyTorch lets it come out. */
void cases_nan(Rig *rig);

#endif
