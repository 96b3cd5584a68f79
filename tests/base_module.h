/* What the module of base_module.c does on request: each with its own calls of src/base. */
#ifndef PACO_TESTS_BASE_MODULE_H
#define PACO_TESTS_BASE_MODULE_H

/* Between two progress lines of a file, in this test: longer than it takes, and shorter than a machine is up. */
#define BASE_MODULE_SECONDS 20.0

typedef struct BaseModule {
    void (*lose)(const char *what);     /* status_fail: "module: WHAT" */
    void (*progress)(const char *what); /* log_progress: "module: WHAT" */
    void (*progress_end)(void);         /* log_progress_end */
    void (*enter)(const char *step);    /* sets check_context */
} BaseModule;

#endif
