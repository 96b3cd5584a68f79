/* Records: paths and files; what stands in them is made by metrics.h and options.h. */
#include "train/records.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What people read stops no run: the file begins anew beside the damaged one. */
static Status set_aside(const char *path)
{
    Arena arena = {0};
    const char *to = arena_printf(&arena, "%s.damaged", path);
    for (int i = 2; file_exists(to); i++)
        to = arena_printf(&arena, "%s.damaged-%d", path, i);
    log_warn("%s. It is kept as %s, and begins anew", status_text(), file_name(to));
    Status status = rename(path, to) == 0 ? STATUS_OK
                                          : status_fail(STATUS_IO, "%s: cannot be renamed: %s",
                                                        path, strerror(errno));
    arena_free(&arena);
    return status;
}

/* Whether a name is that of a record which a process that is no more was writing: NAME.PID.tmp. */
static bool is_unfinished(const char *name)
{
    static const char *const records[] = {"options.txt", "metrics.csv", "classes.csv",
                                          "confusion.csv", "report.json"};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        size_t n = strlen(records[i]);
        char *end = "";
        long pid = strncmp(name, records[i], n) == 0 && name[n] == '.'
                       ? strtol(name + n + 1, &end, 10) : 0;
        if (pid > 0 && strcmp(end, ".tmp") == 0)
            return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
    }
    return false;
}

static void remove_leftovers(const char *folder)
{
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (is_unfinished(e->d_name)) {
            char *path = file_join(folder, e->d_name);
            unlink(path);
            free(path);
        }
    if (dir)
        closedir(dir);
}

Status records_open(Records *r, const char *folder, int epoch)
{
    *r = (Records){.folder = folder};
    if (!folder)
        return STATUS_OK;
    remove_leftovers(folder);
    char *path = file_join(folder, "train.log");
    r->log = fopen(path, "a");
    Status status =
        r->log ? STATUS_OK : status_fail(STATUS_IO, "%s: cannot write: %s", path, strerror(errno));
    free(path);
    TRY(status);
    path = file_join(folder, "metrics.csv");
    status = metrics_truncate(path, epoch);
    if (status == STATUS_INPUT)
        status = set_aside(path);
    free(path);
    return status;
}

void records_close(Records *r, Status status)
{
    if (r->log && status != STATUS_OK)
        fprintf(r->log, "%s\n", status_text());
    if (r->log)
        fclose(r->log);
    *r = (Records){0};
}

void records_say(const Records *r, const char *format, ...)
{
    char *line = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&line, &size);
    va_list args;
    va_start(args, format);
    vfprintf(text, format, args);
    va_end(args);
    fclose(text);
    log_info("%s", line);
    if (r->log) {
        fprintf(r->log, "%s\n", line);
        fflush(r->log);
    }
    free(line);
}

Status records_options(const Records *r, const Options *options)
{
    if (!r->folder)
        return STATUS_OK;
    Arena arena = {0};
    char *path = file_join(r->folder, "options.txt");
    FileOutput out;
    Status status = file_output_open(&out, path);
    if (status == STATUS_OK) {
        fputs(options_dump(options, &arena), out.file);
        status = file_output_close(&out);
    }
    free(path);
    arena_free(&arena);
    return status;
}

Status records_epoch(const Records *r, const EpochRow *row)
{
    if (!r->folder)
        return STATUS_OK;
    char *path = file_join(r->folder, "metrics.csv");
    Status status = metrics_append_epoch(path, row);
    free(path);
    return status;
}

Status records_reports(const Records *r, const Metrics *metrics, const ReportFacts *facts,
                       const char *const *class_names)
{
    if (!r->folder)
        return STATUS_OK;
    char *classes = file_join(r->folder, "classes.csv");
    char *confusion = file_join(r->folder, "confusion.csv");
    char *report = file_join(r->folder, "report.json");
    Status status = metrics_write_classes(metrics, class_names, classes);
    if (status == STATUS_OK)
        status = metrics_write_confusion(metrics, class_names, confusion);
    if (status == STATUS_OK)
        status = metrics_write_report(metrics, facts, report);
    free(report);
    free(confusion);
    free(classes);
    return status;
}
