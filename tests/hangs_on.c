/* Preloaded: whoever opens a file with HANGS_ON in its name waits for ever, as at a file server that is gone. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static int open_or_hang(const char *path, int flags, int mode)
{
    const char *name = getenv("HANGS_ON");
    while (name && strstr(path, name))
        pause();
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* With offsets of 64 bits, as everything here is compiled with, this is open64. */
SHOWN int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return open_or_hang(path, flags, mode);
}
