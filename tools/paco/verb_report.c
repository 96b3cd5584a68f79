/* paco report: one page that shows a run, or compares several. */
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "report/page.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char usage_report[] =
    "usage: paco report RUN [RUN...] [--out FILE.html]\n\n"
    "Writes one page with everything in it: curves, accuracy against class size, confusion,\n"
    "reliability, what the network saw, images of the worst classes, time, protocol and options.\n"
    "Of several runs it compares the final numbers, with mean and standard deviation over those\n"
    "that differ in their seed alone, and lays the curves over each other. RUN is a folder that\n"
    "`paco train --out` or `paco eval --out` wrote.";

/* Takes --out from the words; the others are folders, moved to the front. */
static Status read_words(int argc, char **argv, int *count, const char **out)
{
    *count = 0;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--out=", 6) == 0)
            *out = argv[i] + 6;
        else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            *out = argv[++i];
        else if (strncmp(argv[i], "--", 2) == 0)
            return status_fail(STATUS_USAGE, "report: %s '%.60s'. `paco report --help` explains",
                               strcmp(argv[i], "--out") ? "unknown option" : "value missing behind",
                               argv[i]);
        else
            argv[(*count)++] = argv[i];
    }
    if (*count == 0)
        return status_fail(STATUS_USAGE,
                           "report: no folder of a run given. `paco report --help` explains");
    return STATUS_OK;
}

static Status report(int count, char **folders, const char *out)
{
    Runs runs;
    char *path = out ? mem_string(out) : file_join(count == 1 ? folders[0] : NULL, "report.html");
    Status status = runs_read(count, folders, &runs);
    if (status == STATUS_OK)
        status = page_write(&runs, path);
    if (status == STATUS_OK)
        log_info("%s: %d run%s", path, count, count > 1 ? "s" : "");
    runs_free(&runs);
    free(path);
    return status;
}

int verb_report(int argc, char **argv)
{
    int count;
    const char *out = NULL;
    Status status = read_words(argc - 1, argv + 1, &count, &out);
    if (status == STATUS_OK)
        status = report(count, argv + 1, out);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return status;
}
