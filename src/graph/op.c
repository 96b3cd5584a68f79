/* The table of operators, expanded from ops.def. */
#include "graph/op.h"

#include <stddef.h>

#define IF_YES(function) function
#define IF_NO(function) NULL

static const Op table[OP_COUNT] = {
#define OP(name, attrs, grad, remake, mutates, casts, trait)                                       \
    {#name,        mutates,          casts, TRAIT_##trait, name##_infer, IF_##grad(name##_grad),   \
     name##_lower, name##_reference, IF_##remake(name##_remake)},
#include "graph/ops.def"
#undef OP
};

const Op *op_get(OpKind kind)
{
    return &table[kind];
}
