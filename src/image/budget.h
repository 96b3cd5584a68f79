/* Budget: the memory that decoding takes in all threads together. One thread at a time may take
 * more than there is; others wait until the rest fits. */
#ifndef PACO_IMAGE_BUDGET_H
#define PACO_IMAGE_BUDGET_H

#include <stddef.h>

enum { BUDGET_BYTES = 1 << 30, BUDGET_LEAST = 16 << 20 };

/* Takes `bytes`, BUDGET_LEAST of them at least (fewer are nobody's concern), and waits while others
 * hold so much that the sum is above BUDGET_BYTES; not where this thread holds some already. */
void budget_take(size_t bytes);
/* Gives them back; any thread may. */
void budget_give(size_t bytes);

#endif
