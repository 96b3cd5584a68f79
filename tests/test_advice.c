/* Drivers that are known to be bad: found by platform and version, warned of once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "device/advice.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static DeviceInfo device(const char *platform, const char *driver)
{
    DeviceInfo info = {0};
    snprintf(info.platform, sizeof info.platform, "%s", platform);
    snprintf(info.driver, sizeof info.driver, "%s", driver);
    return info;
}

static void rows(void **state)
{
    (void)state;
    static const struct { const char *platform, *driver, *says; /* NULL: nothing known */
    } cases[] = {
        {"Portable Computing Language", "7.1", "PoCL 7 "},
        {"Portable Computing Language", "7.0+debian", "PoCL 7 "},
        {"Portable Computing Language", "1.7", "PoCL 1.7 "},
        {"Portable Computing Language", "3.1+debian", NULL},
        {"Portable Computing Language", "6.0", NULL},
        {"Portable Computing Language", "17.1", NULL},
        {"NVIDIA CUDA", "7.1", NULL},
        {"Intel Gen OCL Driver", "1.3", "Beignet"},
        {"Clover", "22.3.6", "Clover"},
        {"rusticl", "25.0.7", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        DeviceInfo info = device(cases[i].platform, cases[i].driver);
        const BadDriver *bad = advice_bad_driver(&info);
        if (!bad != !cases[i].says || (bad && !strstr(bad->what, cases[i].says)))
            fail_msg("%s %s: %s", cases[i].platform, cases[i].driver, bad ? bad->what : "nothing");
    }
}

static void warned_once(void **state)
{
    (void)state;
    DeviceInfo bad = device("Clover", "22.3.6"), good = device("rusticl", "25.0.7");
    test_stderr_begin();
    advice_warn("a card", &good);
    advice_warn("a card", &bad);
    advice_warn("another card", &bad);
    char *said = test_stderr_end();
    assert_string_equal(said, "paco: warning: a card, driver 22.3.6: Mesa's Clover has OpenCL 1.1 and fails on many "
                              "kernels: set RUSTICL_ENABLE=radeonsi for Mesa's rusticl, or install ROCm's OpenCL\n");
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows), cmocka_unit_test(warned_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
