/* A module as backends are, for test_module.c: it does with src/base what a backend does. */
#include "base_module.h"

#include "base/check.h"
#include "base/log.h"
#include "base/status.h"

static void lose(const char *what)
{
    status_fail(STATUS_DEVICE, "module: %s", what);
}

static void progress(const char *what)
{
    log_progress(BASE_MODULE_SECONDS, "module: %s", what);
}

static void enter(const char *step)
{
    check_context = step;
}

static const BaseModule module = {lose, progress, log_progress_end, enter};

__attribute__((visibility("default"))) const BaseModule *base_module(void);

const BaseModule *base_module(void)
{
    return &module;
}
