#include "base/moves.h"

#include <stdatomic.h>

static atomic_llong count;

void moves_count(void)
{
    atomic_fetch_add(&count, 1);
}

long long moves(void)
{
    return atomic_load(&count);
}
