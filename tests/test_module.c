/* Status, check and log exist once in a process: what a module loaded at run time records, the program reads, and a
 * progress line that one of them has left on the terminal is cleared by a message of the other. */
#define _XOPEN_SOURCE 700 /* posix_openpt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/log.h"
#include "base/status.h"
#include "base_module.h"
#include "support_aborts.h"
#include "support_files.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const BaseModule *module;

static int load(void **state)
{
    (void)state;
    void *handle = dlopen(BASE_MODULE, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, "base_module") : NULL;
    const BaseModule *(*entry)(void);
    if (!symbol)
        fail_msg("%s", dlerror());
    memcpy(&entry, &symbol, sizeof entry);
    module = entry();
    return 0;
}

static void *fail_elsewhere(void *unused)
{
    module->lose("another thread");
    return unused;
}

static void status_is_one(void **state)
{
    (void)state;
    pthread_t thread;
    status_fail(STATUS_IO, "program");
    module->lose("lost");
    assert_string_equal(status_text(), "module: lost");
    status_prefix(STATUS_DEVICE, "step 3");
    assert_string_equal(status_text(), "step 3: module: lost");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(status_text(), "step 3: module: lost"); /* a text per thread */
}

static void broken(void *unused)
{
    (void)unused;
    module->enter("conv of the module");
    CHECK(module == NULL);
}

static void check_context_is_one(void **state)
{
    (void)state;
    assert_aborts(broken, NULL, "test_module.c", "module == NULL  (in conv of the module)");
}

/* In a file, a progress line every so many seconds: whoever wrote the last one. */
static void progress_time_is_one(void **state)
{
    (void)state;
    test_stderr_begin();
    module->progress("first");
    log_progress(BASE_MODULE_SECONDS, "program: too soon");
    module->progress("too soon");
    log_progress_end();
    module->progress("second");
    module->progress_end();
    char *text = test_stderr_end();
    assert_string_equal(text, "module: first\nmodule: second\n");
    free(text);
}

/* On a terminal, the line of a message clears the progress line first. */
static void progress_line_is_one(void **state)
{
    (void)state;
    char text[512] = "";
    size_t length = 0;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY), old = dup(STDERR_FILENO);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0 && dup2(slave, STDERR_FILENO) >= 0);
    module->progress("half");
    log_info("done");
    log_info("no line is left");
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    close(slave);
    for (ssize_t n = 1; n > 0; length += n > 0 ? (size_t)n : 0)
        n = read(terminal, text + length, sizeof text - 1 - length);
    close(terminal);
    assert_string_equal(text, "\r\033[K\033[?7lmodule: half\033[?7h"
                              "\r\033[Kpaco: done\r\npaco: no line is left\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_one),
        cmocka_unit_test(check_context_is_one),
        cmocka_unit_test(progress_time_is_one),
        cmocka_unit_test(progress_line_is_one),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
