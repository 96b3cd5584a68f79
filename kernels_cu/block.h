/* Threads of a block that is no team, at most: what kernels are compiled for and launched with. */
#ifndef PACO_BLOCK_H
#define PACO_BLOCK_H

#define BLOCK_MAX 256

#endif
