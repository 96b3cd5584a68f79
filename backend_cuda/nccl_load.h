/* NCCL, loaded when it is first asked for: the module does not need it. */
#ifndef PACO_CUDA_NCCL_LOAD_H
#define PACO_CUDA_NCCL_LOAD_H

#include "cuda.h"
#include "nccl_api.h"

typedef struct Nccl {
#define X(type, name, parameters) type(*name) parameters;
    NCCL_LIST(X)
#undef X
} Nccl;

/* NULL where it cannot be used, and why. */
const Nccl *nccl_load(char why[GROUP_TEXT]);
/* Of the contract. */
bool nccl_groups(const Device *device, char text[GROUP_TEXT]);
Status nccl_group_id(uint8_t id[GROUP_ID]);
/* STATUS_DEVICE: "NCCL: WHERE: its own words". comm may be NULL. */
Status nccl_fail(ncclResult_t code, ncclComm_t comm, const char *where);

/* nccl_find.c: the opened library, as dlopen has it; NULL, and why. */
void *nccl_find(char why[GROUP_TEXT]);

#endif
