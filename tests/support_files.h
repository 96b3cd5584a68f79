/* Files for tests: a folder that vanishes at the end, files in it, and the shared material. */
#ifndef PACO_TESTS_SUPPORT_FILES_H
#define PACO_TESTS_SUPPORT_FILES_H

#include <stddef.h>

/* The temporary folder of this test program, made at the first call, removed when the program ends.
 */
const char *test_folder(void);
/* Path of a name in the temporary folder; parents are made. Lives until the program ends. */
const char *test_path(const char *name);
/* Writes a file in the temporary folder and returns its path. */
const char *test_write(const char *name, const void *bytes, size_t size);
const char *test_write_text(const char *name, const char *text);
/* The whole file as a string, malloc'd; NULL when there is none. */
char *test_read_text(const char *path);
/* How many names in a folder end so; 0 where there is no such folder. */
int test_files_ending(const char *folder, const char *ending);
/* Path of a file of the shared material; skips the test program's current test (cmocka) when
 * absent. */
const char *test_shared(const char *name);
/* The folder cifar10_lt with its lists and the images train/airplane/0000.jpg to 0299.jpg, unpacked
 * once from the shared archive. */
const char *test_cifar10_lt(void);
/* Redirects stderr into a file until test_stderr_end, which returns what was written (malloc'd). */
void test_stderr_begin(void);
char *test_stderr_end(void);

#endif
