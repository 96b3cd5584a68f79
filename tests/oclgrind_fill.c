/* Preloaded under oclgrind's check of uninitialised values. Release 21.10 forgets what it knew of a buffer at
 * clEnqueueFillBuffer and takes one pattern as initialised, so that every later read of the rest is reported; a write from
 * the host is followed rightly. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) cl_int clEnqueueFillBuffer(
    cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_bytes, size_t offset, size_t bytes,
    cl_uint waits, const cl_event *wait, cl_event *event)
{
    char *filled = malloc(bytes);
    if (!filled)
        return CL_OUT_OF_HOST_MEMORY;
    for (size_t at = 0; at < bytes; at += pattern_bytes)
        memcpy(filled + at, pattern, pattern_bytes);
    cl_int status = clEnqueueWriteBuffer(queue, buffer, CL_TRUE, offset, bytes, filled, waits, wait, event);
    free(filled);
    return status;
}
