/* Inside of the OpenCL backend: the handle of an opened device, and how OpenCL's calls fail.
 *
 * The files stand in layers; each includes and calls only those above it.
 *
 *   opencl, work        the device handle and errors; arithmetic of cutting work
 *   memory, transfer    buffers; what goes between them and the host
 *   program             kernel texts, builds and their cache on disk
 *   launch              kernels with their arguments set and other commands: a prepared step
 *   kernel, dot         launches of the steps of kernels.def; whether AVX512_BF16 can be used
 *   algorithm, group    a row of the table of algorithms; tiles of work-groups
 *   conv*               convolutions: conv_shape and conv_cpu for conv_direct, conv_winograd and
 *                       conv_weight* (processors); conv_gpu
 *   gemm*, clblast      matrix products, on processors, GPUs and by a library
 *   algorithms          the table: every algorithm by its name; choosing one
 *   discover, open      which devices there are; opening one
 *   backend             the functions of the contract */
#ifndef PACO_OPENCL_H
#define PACO_OPENCL_H

#include "device/backend.h"

#include <CL/cl.h>

/* What an algorithm may be chosen for; a PACK step takes that of the convolution it packs for. */
typedef enum AlgorithmOp {
    ALGORITHM_FORWARD = CONV_FORWARD,
    ALGORITHM_GRAD_DATA = CONV_GRAD_DATA,
    ALGORITHM_GRAD_WEIGHT = CONV_GRAD_WEIGHT,
    ALGORITHM_GEMM = CONV_PACK + 1,
    ALGORITHM_OPS
} AlgorithmOp;

/* Channels that lie together in the layout of its convolutions. */
enum { OPENCL_CHANNEL_BLOCK = 16 };

enum { DUMMY_BYTES = 256 };

struct Buffer {
    cl_mem mem;
    uint64_t bytes;
};

typedef struct Program Program;

/* Memory of the host that transfers go through, or a part of the device's that is mapped. */
typedef struct Slot {
    cl_event done; /* of the transfer that uses it; NULL: it is free */
    cl_mem pinned;
    void *memory; /* of pinned, mapped for good */
    uint64_t room; /* bytes; 0: none, and mapped and at are in use */
    cl_mem mapped;
    void *at;
} Slot;

/* Writes that may be on their way: those of two steps, of which each writes its state before every
 * segment of every rank, and two sets of images. */
enum { SMALL_WRITES = 64, LARGE_WRITES = 2 };

struct Device {
    DeviceInfo info;
    cl_device_id id, parent; /* parent: id is a sub-device of it, else NULL */
    cl_context context;
    cl_command_queue queue;
    Buffer *dummy;     /* stands for absent operands */
    Program *programs; /* built so far */
    Slot small[SMALL_WRITES], large[LARGE_WRITES];
    uint64_t small_turn, large_turn;
    Slot *fetches; /* by ticket */
    int fetches_count;
    char *cache;       /* folder of built programs; NULL: none could be made */
    const char *forced[ALGORITHM_OPS]; /* an algorithm's name or family for each; NULL: none */
    bool profile;
    bool clblast;     /* products may run through CLBlast */
    bool narrow;      /* a processor whose registers hold fewer than sixteen floats */
    bool dot_bf16;    /* kernels for processors may be built with DOT_BF16 (dot.h) */
    bool cpu_kernels; /* few work-items with long loops; else work-groups */
    char team_options[96]; /* options of the kernel table's programs: lanes, sub-groups, layout */
};

/* Fails with "opencl: WHERE: NAME_OF_CODE" and STATUS_DEVICE, or STATUS_LIMIT when memory ran out.
 */
Status opencl_fail(cl_int code, const char *where);
/* Returns from the calling function when an OpenCL call fails. */
#define CL_TRY(call, where)                      \
    do {                                         \
        cl_int cl_code_ = (call);                \
        if (cl_code_ != CL_SUCCESS)              \
            return opencl_fail(cl_code_, where); \
    } while (0)

#endif
