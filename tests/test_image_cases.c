/* The stored cases of the image oracle. They lie in the shared folder; skipped where it is absent.
 * With arguments IMAGE FOLDER ... it runs other cases, such as those of image_extra_cases.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "verify/image_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char shared[4096];

/* Every case passes; and on the decoder and Pillow that made them, no pixel differs at all. */
static void run_folder(const char *name, int cases)
{
    char image[8192], folder[8192], *text = NULL;
    size_t size = 0;
    snprintf(image, sizeof image, "%s/data/imagenet_samples/%s.JPEG", shared, name);
    snprintf(folder, sizeof folder, "%s/golden/image/%s", shared, name);
    int failed = -1;
    FILE *out = open_memstream(&text, &size);
    Status status = image_cases_run(image, folder, out, &failed);
    fclose(out);
    int differing = 0, passed = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        passed += strncmp(line, "PASS", 4) == 0;
        if (strncmp(line, folder, strlen(folder)) == 0 || strstr(line, ", 0 of "))
            continue;
        printf("%s\n", line);
        differing++;
    }
    free(text);
    if (status != STATUS_OK)
        printf("%s\n", status_text());
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(failed, 0);
    assert_int_equal(passed, cases);
    assert_int_equal(differing, 0);
}

static void italian_greyhound(void **state)
{
    (void)state, run_folder("n02091032_Italian_greyhound", 3);
}
static void airship(void **state) { (void)state, run_folder("n02692877_airship", 7); }
static void broom(void **state) { (void)state, run_folder("n02906734_broom", 79); }
static void overskirt(void **state) { (void)state, run_folder("n03866082_overskirt", 7); }

static int run_arguments(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        int failed = 0;
        if (image_cases_run(argv[i], argv[i + 1], stdout, &failed) != STATUS_OK) {
            printf("%s\n", status_text());
            failed++;
        }
        bad += failed;
    }
    return bad != 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_arguments(argc, argv);
    const char *folder = getenv("PACO_SHARED");
    snprintf(shared, sizeof shared, "%s", folder ? folder : "../shared");
    char probe[8192];
    snprintf(probe, sizeof probe, "%s/golden/image", shared);
    if (!file_exists(probe)) {
        printf("skipped: %s is absent\n", probe);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(italian_greyhound),
        cmocka_unit_test(airship),
        cmocka_unit_test(broom),
        cmocka_unit_test(overskirt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
