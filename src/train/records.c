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
#include <time.h>
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
    static const char *const records[] = {"options.txt", "metrics.csv",   "steps.csv",
                                          "classes.csv", "confusion.csv", "report.json"};
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

/* Opens a file for more lines. */
static Status open_more(const char *path, FILE **file)
{
    *file = fopen(path, "a");
    return *file ? STATUS_OK
                 : status_fail(STATUS_IO, "%s: cannot write: %s", path, strerror(errno));
}

/* How often train.log says that the run was started. */
static int count_starts(const char *path)
{
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    FILE *file = fopen(path, "r");
    while (file && getline(&line, &room, file) > 0)
        count += strncmp(line, RECORDS_START, strlen(RECORDS_START)) == 0;
    free(line);
    if (file)
        fclose(file);
    return count;
}

static Status open_log(Records *r)
{
    char *path = file_join(r->folder, "train.log");
    r->starts = count_starts(path) + 1;
    Status status = open_more(path, &r->log);
    free(path);
    return status;
}

static Status open_metrics(const Records *r, int epoch)
{
    char *path = file_join(r->folder, "metrics.csv");
    Status status = metrics_truncate(path, epoch);
    if (status == STATUS_INPUT)
        status = set_aside(path);
    free(path);
    return status;
}

static Status open_steps(Records *r, bool more, int64_t step)
{
    char *path = file_join(r->folder, "steps.csv");
    Status status = metrics_truncate_steps(path, step);
    if (status == STATUS_INPUT)
        status = set_aside(path);
    if (status == STATUS_OK && more)
        status = open_more(path, &r->steps);
    if (r->steps)
        metrics_put_step_header(r->steps);
    free(path);
    return status;
}

Status records_open(Records *r, const Options *options, const Progress *at)
{
    *r = (Records){.folder = options->out};
    if (!r->folder)
        return STATUS_OK;
    remove_leftovers(r->folder);
    TRY(open_log(r));
    TRY(open_metrics(r, at->epoch));
    return open_steps(r, options->log_every > 0, at->done);
}

void records_close(Records *r, Status status)
{
    if (r->log && status != STATUS_OK)
        fprintf(r->log, "%s\n", status_text());
    if (r->log)
        fclose(r->log);
    events_close(r->events);
    if (r->steps)
        fclose(r->steps);
    *r = (Records){0};
}

static void put_line(const Records *r, const char *line)
{
    if (!r->log)
        return;
    log_text(r->log, "%s", line);
    fputc('\n', r->log);
    fflush(r->log);
}

void records_note(const Records *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line = mem_vprintf(format, args);
    va_end(args);
    put_line(r, line);
    free(line);
}

void records_say(const Records *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line = mem_vprintf(format, args);
    va_end(args);
    log_info("%s", line);
    put_line(r, line);
    free(line);
}

/* The comments of the file as it is: what became of options before. */
static const char *read_history(const char *path, Arena *arena)
{
    enum { LIMIT = 1 << 20 };
    uint8_t *text;
    size_t size;
    const char *history = "";
    if (file_missing(path) || file_read(path, LIMIT, &text, &size) != STATUS_OK)
        return history;
    for (const char *line = (const char *)text; *line;) {
        size_t n = strcspn(line, "\n");
        if (*line == '#')
            history = arena_printf(arena, "%s%.*s\n", history, (int)n, line);
        line += n + (line[n] == '\n');
    }
    free(text);
    return history;
}

/* Adds a line, unless the history ends with it: a run that went on and saved nothing does so
 * again. */
static const char *add_history(const Records *r, const char *history, const char *line,
                               Arena *arena)
{
    size_t n = strlen(history), m = strlen(line);
    if (n >= m && strcmp(history + n - m, line) == 0)
        return history;
    log_text(r->log, "%.*s", (int)m - 1, line);
    fputc('\n', r->log);
    return arena_printf(arena, "%s%s", history, line);
}

/* The history with a line for each of the changes. */
static const char *tell_changes(const Records *r, const char *path, int64_t step,
                                const char *changes, Arena *arena)
{
    const char *history = read_history(path, arena);
    char day[16];
    time_t now = time(NULL);
    struct tm parts;
    strftime(day, sizeof day, "%Y-%m-%d", localtime_r(&now, &parts));
    while (*changes) {
        int n = (int)strcspn(changes, "\n");
        const char *line =
            arena_printf(arena, "# %s step %lld: %.*s\n", day, (long long)step, n, changes);
        history = add_history(r, history, line, arena);
        changes += n + 1;
    }
    return history;
}

Status records_options(const Records *r, const Options *options, int64_t step, const char *changes)
{
    if (!r->folder)
        return STATUS_OK;
    Arena arena = {0};
    char *path = file_join(r->folder, "options.txt");
    const char *history = tell_changes(r, path, step, changes, &arena);
    FileOutput out;
    Status status = file_output_open(&out, path);
    if (status == STATUS_OK) {
        fprintf(out.file, "%s%s", options_dump(options, &arena), history);
        status = file_output_close(&out);
    }
    free(path);
    arena_free(&arena);
    return status;
}

Status records_events(Records *r, const Options *options, const Dataset *train, int epoch,
                      const char *changes)
{
    return options->tensorboard ? events_open(options, train, epoch, *changes, &r->events)
                                : STATUS_OK;
}

Status records_epoch(const Records *r, const EpochRow *row, const Metrics *metrics)
{
    if (!r->folder)
        return STATUS_OK;
    char *path = file_join(r->folder, "metrics.csv");
    Status status = metrics_append_epoch(path, row);
    free(path);
    TRY(status);
    return r->events ? events_epoch(r->events, row, metrics) : STATUS_OK;
}

void records_step(const Records *r, const StepRow *row)
{
    if (!r->steps)
        return;
    metrics_put_step(r->steps, row);
    fflush(r->steps);
}

Status records_sync(const Records *r)
{
    if (!r->steps || (!ferror(r->steps) && fsync(fileno(r->steps)) == 0))
        return STATUS_OK;
    return status_fail(STATUS_IO, "%s: steps.csv: cannot write", r->folder);
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
