/* The table of operators, expanded from ops.def. */
#include "graph/op.h"

#include <stddef.h>

#define OP_GRAD_YES(name) name##_grad
#define OP_GRAD_NO(name) NULL

static const Op table[OP_COUNT] = {
#define OP(name, attrs, diff, mutates) \
    {#name, mutates, name##_infer, OP_GRAD_##diff(name), name##_lower, name##_reference},
#include "graph/ops.def"
#undef OP
};

const Op *op_get(OpKind kind)
{
    return &table[kind];
}
