/* Memory of reading a training checkpoint: that of its tensors and at most 64 MiB more. A ResNet-18,
 * with PACO_FULL=1 a ResNet-50 (about 280 MiB); speed is tools/bench_checkpoint.sh. Each step is a
 * process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "support_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

/* One `paco bench checkpoint`; MiB of its peak and of the tensors. */
static void bench(const char *mode, double *peak, double *tensors)
{
    char command[8192], line[512] = "";
    snprintf(command, sizeof command, "'%s' bench checkpoint %s '%s/memory.pth.tar' %s", getenv("PACO_BIN"), mode,
             folder, full_mode() ? "resnet50" : "resnet18");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const char *got = fgets(line, sizeof line, pipe);
    if (pclose(pipe) != 0 || !got)
        fail_msg("%s", command);
    const char *at = strstr(line, "\"peak_mib\"");
    if (!at || sscanf(at, "\"peak_mib\": %lf, \"tensors_mib\": %lf", peak, tensors) != 2)
        fail_msg("%s", line);
}

static void reading_takes_the_memory_of_the_tensors(void **state)
{
    (void)state;
    double peak, tensors;
    bench("write", &peak, &tensors);
    bench("read", &peak, &tensors);
    print_message("%.1f MiB of tensors read in %.1f MiB\n", tensors, peak);
    assert_true(tensors > (full_mode() ? 250 : 100));
    assert_true(peak > tensors / 2); /* it was read, not only opened */
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(peak < tensors + 64);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading_takes_the_memory_of_the_tensors)};
    if (!getenv("PACO_BIN")) {
        fprintf(stderr, "skipped: no program in PACO_BIN\n");
        return 77;
    }
    folder = temporary_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder(folder);
    free(folder);
    return failed;
}
