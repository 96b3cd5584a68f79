/* paco: trains and evaluates PaCo (arXiv 2107.12028). This file only finds the verb. */
#include "base/log.h"
#include "base/status.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int usage(FILE *file)
{
    fprintf(file, "paco: Parametric Contrastive Learning on any accelerator\n\nusage: paco VERB "
                  "[options]\n\n");
    for (const Verb *v = verbs; v->name; v++)
        fprintf(file, "  %-10s %s\n", v->name, v->summary);
    fprintf(file, "\n`paco help VERB` explains a verb, `paco --version` says which program this "
                  "is.\n");
    return file == stdout ? STATUS_OK : STATUS_USAGE;
}

static int unknown(const char *name)
{
    Status status = verb_unknown(name);
    log_error("%s", status_text());
    return status;
}

/* Whether standard output is a pipe that was closed at its other end. Only what goes on then sees
 * that (a training run, stop.c): others end by the signal. */
static bool nobody_reads(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/* A descriptor that is closed at the start would be given to the first file opened, which would
 * then get what is meant for a terminal. */
static void open_standard_files(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            _exit(STATUS_IO);
}

/* The exit code of a verb, once all it printed has arrived: output is lost at the latest when stdio
 * gives its buffer to a full disk. */
static int finish(int code)
{
    bool lost = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0 || lost) {
        if (code != STATUS_OK || nobody_reads())
            return code; /* that was said already, or whoever reads did not want it */
        log_error("standard output: cannot write: %s",
                  errno ? strerror(errno) : "an earlier write failed");
        return STATUS_IO;
    }
    return code;
}

/* Whether --help or -h is among the words: it is for every verb, wherever it stands. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static int help(const Verb *verb)
{
    verb_help(verb, stdout);
    return STATUS_OK;
}

/* `paco help VERB` is `paco VERB --help`. */
static int help_on(const char *name)
{
    if (!name || name[0] == '-' || !strcmp(name, "help"))
        return usage(stdout);
    const Verb *verb = verb_find(name);
    return verb ? help(verb) : unknown(name);
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return help_on(argv[2]);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V") || !strcmp(argv[1], "version"))
        return print_version();
    const Verb *verb = verb_find(argv[1]);
    if (!verb)
        return unknown(argv[1]);
    return asks_for_help(argc - 1, argv + 1) ? help(verb) : verb->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    open_standard_files();
    signal(SIGXFSZ,
           SIG_IGN); /* a file beyond `ulimit -f` is a failed write with a text and exit code 4 */
    return finish(run(argc, argv));
}
