/* The two published lists of operations that recipes draw from: RandAugment as timm has it, and
 * AutoAugment's policy for CIFAR-10. Their tables: randaugment.def, autoaugment.def. */
#ifndef PACO_IMAGE_RANDAUGMENT_H
#define PACO_IMAGE_RANDAUGMENT_H

#include "base/rng.h"
#include "image/augment.h"

/* Appends n operations (0 to 16), each with probability 0.5, of mean magnitude m. */
void randaugment_draw(int n, double m, Rng *rng, Augment *out);
/* Appends the operations of one row of the policy. */
void autoaugment_draw(Rng *rng, Augment *out);

#endif
