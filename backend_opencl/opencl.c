/* Errors of OpenCL calls, by the names of their codes. */
#include "opencl.h"

static const struct {
    cl_int code;
    const char *name;
} code_names[] = {
#define CODE(name)       \
    {                    \
        CL_##name, #name \
    }
    CODE(DEVICE_NOT_FOUND),
    CODE(DEVICE_NOT_AVAILABLE),
    CODE(COMPILER_NOT_AVAILABLE),
    CODE(MEM_OBJECT_ALLOCATION_FAILURE),
    CODE(OUT_OF_RESOURCES),
    CODE(OUT_OF_HOST_MEMORY),
    CODE(BUILD_PROGRAM_FAILURE),
    CODE(INVALID_VALUE),
    CODE(INVALID_DEVICE),
    CODE(INVALID_CONTEXT),
    CODE(INVALID_MEM_OBJECT),
    CODE(INVALID_BINARY),
    CODE(INVALID_BUILD_OPTIONS),
    CODE(INVALID_PROGRAM),
    CODE(INVALID_PROGRAM_EXECUTABLE),
    CODE(INVALID_KERNEL_NAME),
    CODE(INVALID_KERNEL),
    CODE(INVALID_ARG_INDEX),
    CODE(INVALID_ARG_VALUE),
    CODE(INVALID_ARG_SIZE),
    CODE(INVALID_KERNEL_ARGS),
    CODE(INVALID_WORK_DIMENSION),
    CODE(INVALID_WORK_GROUP_SIZE),
    CODE(INVALID_WORK_ITEM_SIZE),
    CODE(INVALID_EVENT),
    CODE(INVALID_OPERATION),
    CODE(INVALID_BUFFER_SIZE),
    CODE(INVALID_GLOBAL_WORK_SIZE),
    CODE(MISALIGNED_SUB_BUFFER_OFFSET),
    CODE(DEVICE_PARTITION_FAILED),
    CODE(PROFILING_INFO_NOT_AVAILABLE),
#undef CODE
};

Status opencl_fail(cl_int code, const char *where)
{
    const char *name = "code";
    for (size_t i = 0; i < sizeof code_names / sizeof *code_names; i++)
        if (code_names[i].code == code)
            name = code_names[i].name;
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
    return status_fail(memory ? STATUS_LIMIT : STATUS_DEVICE, "opencl: %s: %s (%d)", where, name,
                       code);
}
