/* The cases of the image oracle: for every photograph of the repository, and for those of the
 * additional material. With arguments IMAGE FOLDER ... it runs other cases, such as those of
 * image_extra_cases.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_files.h"
#include "verify/files.h"
#include "verify/image_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every case passes; and on the decoder and Pillow that made them, no pixel differs at all. */
static int run_folder(const char *image, const char *folder)
{
    char *text = NULL;
    size_t size = 0;
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
    assert_int_equal(differing, 0);
    return passed;
}

enum { CASES = 118 }; /* of all folders together */

/* The golden folder has cases for every photograph, and names each as data/photos does. */
static void photographs_of_the_repository(void **state)
{
    (void)state;
    char *list = test_read_text(test_data("data/photos/list.txt")), *at = list, *line;
    int photographs = 0, cases = 0;
    while ((line = strtok_r(at, "\n", &at))) {
        char folder[256], *found;
        snprintf(folder, sizeof folder, "golden/image/%.*s", (int)strcspn(line, "."), line);
        assert_int_equal(golden_photograph(test_data(folder), &found), STATUS_OK);
        cases += run_folder(found, test_data(folder));
        photographs++;
        free(found);
    }
    free(list);
    assert_int_equal(photographs, 13);
    assert_int_equal(cases, CASES);
}

static void additional_photographs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int cases;
    } more[] = {{"n02091032_Italian_greyhound", 3}, {"n02692877_airship", 7},
                {"n02906734_broom", 79}, {"n03866082_overskirt", 7}};
    for (int i = 0; i < 4; i++) {
        char image[256], folder[256];
        snprintf(image, sizeof image, "data/imagenet_samples/%s.JPEG", more[i].name);
        snprintf(folder, sizeof folder, "golden/image/%s", more[i].name);
        if (test_shared(folder))
            assert_int_equal(run_folder(test_shared(image), test_shared(folder)), more[i].cases);
    }
}

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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(photographs_of_the_repository),
        cmocka_unit_test(additional_photographs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
