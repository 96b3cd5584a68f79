/* mpirun runs in a session of its own: what a terminal sends to this one's goes to the launcher
 * alone, which asks the processes over the hub. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "comm/launch.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "comm/engines.h"
#include "comm/watch.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 4096, SCRATCH_MAX = 80 /* sockets lie there, whose paths are short */ };

/* What starts the processes. */
typedef struct Job {
    const EngineRow *row;
    char launcher[32];
} Job;

/* Whether `program --version` has the word in its first line. */
static bool says(const char *program, const char *word)
{
    char command[64], line[256] = "";
    snprintf(command, sizeof command, "%s --version 2>/dev/null", program);
    FILE *f = popen(command, "r");
    if (!f)
        return false;
    if (!fgets(line, sizeof line, f))
        line[0] = '\0';
    while (getc(f) != EOF) /* what follows, that it does not die of a closed pipe */
        ;
    return pclose(f) == 0 && strstr(line, word) != NULL;
}

/* The mpirun of an engine in PATH: one of the MPIs there may be plainly that, the others have names
 * that Debian gives them. */
static bool find_launcher(Job *job)
{
    snprintf(job->launcher, sizeof job->launcher, "mpirun");
    if (says(job->launcher, job->row->says))
        return true;
    snprintf(job->launcher, sizeof job->launcher, "mpirun.%s", job->row->id);
    return says(job->launcher, job->row->says);
}

/* The first engine whose module and launcher are both here. */
static bool find_engine(Job *job, char why[1024])
{
    size_t at = 0;
    why[0] = '\0';
    for (int i = 0; (job->row = engine_row(i)); i++) {
        char reason[512] = "";
        if (engine_load(job->row, reason) && find_launcher(job))
            return true;
        if (at < 900)
            at += (size_t)snprintf(
                why + at, 1024 - at, "%s%s: %.300s. %s", at ? "; " : "", job->row->title,
                reason[0] ? reason : "its launcher is not in PATH", job->row->help);
    }
    return false;
}

/* In the child: becomes mpirun. */
static _Noreturn void become_launcher(const Job *by, const Launch *l, char **words,
                                      const WatchPlace *place)
{
    char *all[WORDS_MAX], number[16], watch[64];
    char *arguments = mem_string(by->row->arguments), *settings = mem_string(by->row->settings);
    char self[] = "/proc/self/exe", program[4096];
    int n = 0;
    ssize_t length = readlink(self, program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    snprintf(number, sizeof number, "%d", l->processes);
    snprintf(watch, sizeof watch, "%u:%s", place->port, place->secret);
    all[n++] = (char *)(uintptr_t)by->launcher;
    all[n++] = (char *)(uintptr_t)"-n";
    all[n++] = number;
    for (char *word = strtok(arguments, " "); word; word = strtok(NULL, " "))
        all[n++] = word;
    all[n++] = program;
    for (int i = 1; words[i] && n < WORDS_MAX - 1; i++)
        all[n++] = words[i];
    all[n] = NULL;
    setenv(LAUNCH_WATCH, watch, 1);
    for (char *name = strtok(settings, " "); name; name = strtok(NULL, " "))
        setenv(name, "1", 1);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    setsid();
    execvp(all[0], all);
    log_error("--nproc: cannot start %s: %s", all[0], strerror(errno));
    _exit(STATUS_PEER);
}

/* One of this program's codes; false: it is none. */
static bool is_code(int code, Status *status)
{
    static const Status known[] = {
#define X(name, code, meaning) STATUS_##name,
        STATUS_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((int)known[i] == code) {
            *status = known[i];
            return true;
        }
    return false;
}

/* What became of the job whose launcher ended. Where the processes did not say it, this does. */
static Status status_of(const Job *by, Hub *hub, int wait_status)
{
    Status status;
    bool exited = WIFEXITED(wait_status);
    int code = exited ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status);
    if (hub_lost(hub))
        return STATUS_PEER;
    bool said = hub_came(hub) || (code != STATUS_OK && code != STATUS_PEER);
    if (exited && said && is_code(code, &status))
        return status;
    log_error("--nproc: %s ended %s %d%s", by->launcher, exited ? "with exit code" : "by signal",
              code, hub_came(hub) ? "" : ", before a process was there");
    return STATUS_PEER;
}

static atomic_int suspend_asked;

static void ask_to_suspend(int number)
{
    (void)number;
    atomic_store(&suspend_asked, 1);
}

/* Ctrl-Z, unless whoever started this has it ignored. */
static void listen_to_terminal(void)
{
    struct sigaction now, suspend = {.sa_handler = ask_to_suspend, .sa_flags = SA_RESTART};
    if (sigaction(SIGTSTP, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        sigaction(SIGTSTP, &suspend, NULL);
}

/* The processes have a session of their own, so that a terminal cannot stop them: this does, and
 * itself; when the shell lets it go on, they do, too. */
static void suspend(Hub *hub)
{
    hub_signal(hub, SIGSTOP);
    log_info("suspended, with all processes of the run; fg goes on");
    raise(SIGSTOP);
    hub_signal(hub, SIGCONT);
}

static void pause_for(double seconds)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)(seconds * 1e9)}, NULL);
}

/* Waits for the job. Once a process is lost and the others are gone, too, it does not wait for a
 * launcher that has not noticed. */
static Status wait_for_job(const Job *by, const Launch *l, Hub *hub, pid_t job)
{
    int wait_status;
    double lost = 0;
    for (bool told = false;;) {
        if (waitpid(job, &wait_status, WNOHANG) == job)
            return status_of(by, hub, wait_status);
        if (!told && atomic_load(l->stop)) {
            hub_stop(hub);
            told = true;
        }
        if (atomic_exchange(&suspend_asked, 0))
            suspend(hub);
        if (hub_lost(hub) && hub_empty(hub)) {
            lost = lost > 0 ? lost : clock_seconds();
            if (clock_seconds() - lost > 0.3) {
                kill(-job, SIGKILL);
                waitpid(job, &wait_status, 0);
                return STATUS_PEER;
            }
        }
        pause_for(0.02);
    }
}

static int remove_one(const char *path, const struct stat *unused, int what, struct FTW *where)
{
    (void)unused, (void)what, (void)where;
    return remove(path) == 0 ? 0 : -1;
}

/* Where the job keeps what is temporary, megabytes with Open MPI: an mpirun that is killed leaves
 * it. "": there is no such place, and it takes any other. */
static void make_scratch(char path[SCRATCH_MAX])
{
    const char *base = getenv("TMPDIR");
    int n = snprintf(path, SCRATCH_MAX, "%s/paco.XXXXXX", base && *base ? base : "/tmp");
    if (n >= SCRATCH_MAX || !mkdtemp(path))
        path[0] = '\0';
}

static void remove_scratch(const char *path)
{
    if (*path)
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* `came`: whether a process of the job did. */
static Status run_job(const Launch *l, const Job *by, char **words, bool *came)
{
    Hub *hub;
    WatchPlace place;
    char scratch[SCRATCH_MAX];
    *came = false;
    TRY(hub_open(l->processes, l->timeout, true, &hub, &place));
    make_scratch(scratch);
    pid_t job = fork();
    if (job == 0 && *scratch)
        setenv("TMPDIR", scratch, 1);
    if (job == 0)
        become_launcher(by, l, words, &place);
    Status status =
        job > 0 ? wait_for_job(by, l, hub, job)
                : status_fail(STATUS_LIMIT, "--nproc: cannot start a process: %s", strerror(errno));
    if (hub_lost(hub)) /* what the others said may have been lost with their launcher */
        log_error("%s. Checkpoints are whole: --resume auto goes on", hub_lost(hub));
    *came = hub_came(hub);
    hub_end(hub);
    hub_close(hub);
    remove_scratch(scratch);
    return status;
}

Status launch_run(const Launch *l, bool *started)
{
    char why[1024];
    Job by;
    *started = false;
    if (getenv(LAUNCH_WATCH)) /* or it would start itself without end */
        return status_fail(
            STATUS_USAGE, "--nproc: this process was started by it already, but no MPI says so. Is "
                          "the mpirun in PATH one that hides its environment?");
    *started = find_engine(&by, why);
    if (!*started)
        return status_fail(STATUS_PEER, "--nproc: no MPI here: %s", why);
    listen_to_terminal();
    bool came;
    Status status = run_job(l, &by, l->words, &came);
    for (int k = 1; status == STATUS_PEER && came && k <= l->restarts && !atomic_load(l->stop);
         k++) {
        log_info("a process was lost: restart %d of %d, from the newest checkpoint", k,
                 l->restarts);
        status = run_job(l, &by, l->again, &came);
    }
    return status;
}
