/* Programs: kernel texts into built programs, kept in memory and on disk. */
#ifndef PACO_OPENCL_PROGRAM_H
#define PACO_OPENCL_PROGRAM_H

#include "opencl.h"

/* A kernel text built into the module (tools/embed.cmake); the table ends with a row without name.
 */
typedef struct EmbeddedText {
    const char *name, *text;
} EmbeddedText;

extern const EmbeddedText kernel_texts[];

/* What options of a program say of the type in which images are stored: "" for float32. */
const char *program_stored(DType type);
/* The built program of kernels_cl/FILE.cl with these options, from memory, the cache on disk, or
 * built. STATUS_DEVICE with the compiler's first error. */
Status program_get(Device *device, const char *file, const char *options, cl_program *program);
/* Whether there is such a program, of a file and options that not every compiler takes; it says
 * nothing where there is none. */
bool program_builds(Device *device, const char *file, const char *options);
void program_release_all(Device *device);
/* The folder for built programs and tuning results, made; malloc'd, NULL where there is none. */
char *program_cache_folder(const char *chosen);

#endif
