/* Preloaded: the OpenCL device looks like another one, and new buffers are full of not-a-numbers. What it has of compute
 * units, work-groups and local memory decides how work is divided, and a processor has few of them; a driver may hand out
 * memory that is not zero. What else it says it is decides whether it is chosen, and for which kernels.
 *     OTHER_UNITS=132 OTHER_GROUP=256 OTHER_LOCAL=32768 OTHER_ALIGN=4096 LD_PRELOAD=libopencl_other_device.so paco ... */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static void *real(const char *name)
{
    static void *library;
    if (!library)
        library = dlopen("libOpenCL.so.1", RTLD_NOW);
    return dlsym(library, name);
}

SHOWN cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *code)
{
    cl_mem (*create)(cl_context, cl_mem_flags, size_t, void *, cl_int *);
    *(void **)&create = real("clCreateBuffer");
    if (host)
        return create(context, flags, bytes, host, code);
    void *poison = malloc(bytes);
    memset(poison, 0xff, bytes);
    cl_mem buffer = create(context, flags | CL_MEM_COPY_HOST_PTR, bytes, poison, code);
    free(poison);
    return buffer;
}

/* With OTHER_DEVICE, only devices with this in their names are other ones. */
static int is_other(cl_device_id device)
{
    cl_int (*get)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    *(void **)&get = real("clGetDeviceInfo");
    const char *only = getenv("OTHER_DEVICE");
    char name[256] = "";
    if (only)
        get(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    return !only || strstr(name, only);
}

static void replace(const char *variable, void *value, size_t bytes)
{
    const char *text = getenv(variable);
    unsigned long long number = text ? strtoull(text, NULL, 10) : 0;
    if (text)
        memcpy(value, &number, bytes); /* little-endian */
}

/* Local memory that the other device has not is refused, as its driver would. */
SHOWN cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t bytes, const void *value)
{
    cl_int (*set)(cl_kernel, cl_uint, size_t, const void *);
    *(void **)&set = real("clSetKernelArg");
    const char *local = getenv("OTHER_LOCAL");
    if (!value && local && bytes > strtoull(local, NULL, 10))
        return CL_INVALID_ARG_SIZE;
    return set(kernel, index, bytes, value);
}

/* OTHER_REFUSES: a driver that cannot build what has this among its options. OTHER_SLOW: one whose first program takes so
 * many seconds to build. */
SHOWN cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
                            void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    cl_int (*build)(cl_program, cl_uint, const cl_device_id *, const char *, void(CL_CALLBACK *)(cl_program, void *),
                    void *);
    *(void **)&build = real("clBuildProgram");
    const char *refused = getenv("OTHER_REFUSES"), *slow = getenv("OTHER_SLOW");
    static int built;
    if (slow && !built++)
        sleep((unsigned)atoi(slow));
    if (refused && options && strstr(options, refused))
        return CL_OUT_OF_RESOURCES;
    return build(program, count, devices, options, notify, user);
}

/* OTHER_FIRST: a driver that builds for so many seconds when a kernel is first launched. */
SHOWN cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                                    const size_t *global, const size_t *local, cl_uint waits, const cl_event *wait_for,
                                    cl_event *event)
{
    cl_int (*launch)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,
                     const cl_event *, cl_event *);
    *(void **)&launch = real("clEnqueueNDRangeKernel");
    const char *first = getenv("OTHER_FIRST");
    static int launched;
    if (first && !launched++)
        sleep((unsigned)atoi(first));
    return launch(queue, kernel, dimensions, offset, global, local, waits, wait_for, event);
}

SHOWN cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t bytes, void *value, size_t *size)
{
    cl_int (*get)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    *(void **)&get = real("clGetDeviceInfo");
    cl_int code = get(device, what, bytes, value, size);
    if (code != CL_SUCCESS || !value || !is_other(device))
        return code;
    if (what == CL_DEVICE_TYPE)
        replace("OTHER_TYPE", value, sizeof(cl_device_type)); /* CL_DEVICE_TYPE_GPU is 4 */
    else if (what == CL_DEVICE_MAX_COMPUTE_UNITS)
        replace("OTHER_UNITS", value, sizeof(cl_uint));
    else if (what == CL_DEVICE_MAX_WORK_GROUP_SIZE)
        replace("OTHER_GROUP", value, sizeof(size_t));
    else if (what == CL_DEVICE_LOCAL_MEM_SIZE)
        replace("OTHER_LOCAL", value, sizeof(cl_ulong));
    else if (what == CL_DEVICE_MEM_BASE_ADDR_ALIGN)
        replace("OTHER_ALIGN", value, sizeof(cl_uint)); /* bits */
    else if (what == CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT)
        replace("OTHER_VECTOR", value, sizeof(cl_uint));
    return code;
}

/* OTHER_CLOCK: a device whose clock is too coarse to see a kernel's time. */
SHOWN cl_int clGetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t bytes, void *value, size_t *size)
{
    cl_int (*get)(cl_event, cl_profiling_info, size_t, void *, size_t *);
    *(void **)&get = real("clGetEventProfilingInfo");
    cl_int code = get(event, what, bytes, value, size);
    if (code == CL_SUCCESS && value)
        replace("OTHER_CLOCK", value, sizeof(cl_ulong));
    return code;
}
