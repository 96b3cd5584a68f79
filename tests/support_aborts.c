/* The harm is done in a child, whose stderr comes back through a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_aborts.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char BROKEN[] = "paco: broken invariant: ";

/* The line of a failed CHECK in what a program wrote, as it stands in the text; NULL when there is none. */
static char *broken_line(char *text)
{
    char *line = strstr(text, BROKEN);
    if (!line)
        return NULL;
    line[strcspn(line, "\n")] = 0;
    return line + sizeof BROKEN - 1;
}

/* Reads all that comes, keeping what fits. */
static void read_all(int from, char *text, size_t room)
{
    char rest[256];
    size_t used = 0;
    for (ssize_t n = 1; n > 0;) {
        bool full = used + 1 >= room;
        n = full ? read(from, rest, sizeof rest) : read(from, text + used, room - 1 - used);
        used += n > 0 && !full ? (size_t)n : 0;
    }
    text[used] = 0;
}

void assert_aborts(void (*harm)(void *context), void *context, const char *file, const char *what)
{
    char text[16384];
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        dup2(ends[1], STDERR_FILENO);
        harm(context);
        _exit(0);
    }
    close(ends[1]);
    read_all(ends[0], text, sizeof text);
    close(ends[0]);
    assert_true(waitpid(child, &status, 0) == child);
    if (!what) {
        if (status != 0)
            fail_msg("nothing was to abort, but: %s", text);
        return;
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("no CHECK aborts (\"%s\" should); status %d: %s", what, status, text);
    const char *line = broken_line(text);
    if (!line)
        fail_msg("an abort, but of no CHECK: %s", text);
    const char *colon = strchr(line, ':'), *named = strstr(line, file);
    if (!named || !colon || named + strlen(file) != colon || !strstr(colon, what))
        fail_msg("another CHECK than \"%s\" of %s: %s", what, file, line);
}
