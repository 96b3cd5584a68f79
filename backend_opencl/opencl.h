/* Inside of the OpenCL backend: what its files share.
 *
 *   device.c           discovery, opening, information
 *   memory.c           buffers, reads, writes, copies, fills
 *   program.c          kernel texts, builds, the cache on disk
 *   launch.c           kernels with their arguments set, running steps
 *   conv.c             convolutions: shapes and choice; conv_cpu.c and conv_gpu.c launch them
 *   gemm.c             matrix products
 *   clblast.c          matrix products by a library, where there is one */
#ifndef PACO_OPENCL_H
#define PACO_OPENCL_H

#include "device/backend.h"

#include <CL/cl.h>

/* A kernel text built into the module; tables of them end with a row without name. */
typedef struct EmbeddedText {
    const char *name, *text;
} EmbeddedText;

extern const EmbeddedText kernel_texts[];

struct Buffer {
    cl_mem mem;
    uint64_t bytes;
};

/* A program that was built for this device: one file with one set of options. */
typedef struct Program {
    struct Program *next;
    char *file, *options;
    cl_program program;
} Program;

struct Device {
    DeviceInfo info;
    cl_device_id id, parent; /* parent: id is a sub-device of it, else NULL */
    cl_context context;
    cl_command_queue queue;
    Buffer *dummy; /* stands for absent operands */
    Program *programs;
    char *cache;  /* folder of built programs; NULL: none could be made */
    char *forced; /* algorithms forced by name: "conv.forward=NAME,..." */
    bool profile;
    bool clblast;     /* products may run through CLBlast */
    bool narrow;      /* a processor whose registers hold fewer than sixteen floats */
    bool cpu_kernels; /* few work-items with long loops; else work-groups */
    char team_options[64]; /* options of the kernel table's programs: lanes, sub-groups */
};

/* One kernel launch, arguments set. */
typedef struct Launch {
    cl_kernel kernel;
    cl_uint next_arg;
    size_t global[3], local[3];
    bool local_set; /* else the driver chooses */
    bool library;   /* no kernel of ours: CLBlast makes the step's product */
} Launch;

enum { LAUNCHES_MAX = 4 };

/* What prepare leaves in a step: launches in order, and the events of the latest run when
 * profiling. */
typedef struct Prepared {
    int count;
    Launch launches[LAUNCHES_MAX];
    cl_event events[LAUNCHES_MAX];
    cl_event before; /* ends when the library's first kernel may begin; its event is that of its
                        last kernel */
} Prepared;

/* ---- device.c */
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

/* ---- memory.c */
Status memory_alloc(Device *device, uint64_t bytes, Buffer **buffer);
void memory_release(Device *device, Buffer *buffer);
Status memory_write(Device *device, Ref to, const void *from, uint64_t bytes);
Status memory_read(Device *device, void *to, Ref from, uint64_t bytes);
/* Enqueues a COPY or FILL step; event may be NULL. */
Status memory_enqueue(Device *device, const Step *step, cl_event *event);

/* ---- program.c */
/* The built program of kernels_cl/FILE.cl with these options, from memory, the cache on disk, or
 * built. */
Status program_get(Device *device, const char *file, const char *options, cl_program *program);
void program_release_all(Device *device);
/* The folder for built programs and tuning results, made; malloc'd, NULL where there is none. */
char *program_cache_folder(const char *chosen);

/* ---- launch.c */
/* Appends a launch of kernel `name` of a file, with work-items and group size per dimension (local
 * NULL: the driver chooses); then its arguments in order. */
Status launch_add(Device *device, Prepared *prepared, const char *file, const char *options,
                  const char *name, const size_t global[3], const size_t local[3], Launch **launch);
/* Appends the library's product. */
void launch_add_library(Prepared *prepared);
Status launch_ref(Device *device, Launch *launch, Ref ref);
Status launch_value(Launch *launch, const void *value, size_t bytes);
/* An argument in local memory. */
Status launch_local(Launch *launch, size_t bytes);
Status launch_prepare(Device *device, Step *step);
void launch_discard(Device *device, Step *step);
Status launch_run(Device *device, const Step *steps, int count);
Status launch_elapsed(Device *device, const Step *step, double *seconds);

/* ---- conv.c, gemm.c: choose fills the step's algorithm, packed and workspace members; prepare
 * appends launches */
/* Name of the i-th algorithm for processors (or for GPUs) that can run the step, NULL behind the
 * last. */
const char *conv_candidate(const Device *device, const Step *step, bool processor, int i);
const char *gemm_candidate(const Device *device, const Step *step, bool processor, int i);
Status conv_choose(Device *device, Step *step);
Status conv_prepare(Device *device, Step *step, Prepared *prepared);
Status gemm_choose(Device *device, Step *step);
Status gemm_prepare(Device *device, Step *step, Prepared *prepared);

/* ---- clblast.c */
/* Sets device->clblast. processor: the device is one, whatever its kernels; forced: asked for by
 * name. */
void clblast_open(Device *device, bool processor, bool forced);
void clblast_close(Device *device);
/* Launches for a GEMM; options: those that gemm_gpu.cl is built with, for the bias. */
Status clblast_prepare(Device *device, const Step *step, const char *options, Prepared *prepared);
/* Enqueues the product, without bias; event may be NULL. */
Status clblast_run(Device *device, const Step *step, cl_event *event);

/* Whether a step runs the kernels for processors: its algorithm says so, or else the device. */
bool on_processor(const Device *device, const Step *step);

#endif
