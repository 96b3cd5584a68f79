/* Files for tests: a folder that vanishes at the end, files in it, the data of the repository, and
 * what there is beside it. */
#ifndef PACO_TESTS_SUPPORT_FILES_H
#define PACO_TESTS_SUPPORT_FILES_H

#include "data/dataset.h"

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
/* Path of a file of the repository's tests/ ("data/photos"); aborts where it is absent. */
const char *test_data(const char *name);
/* Path of a file of the additional material: PACO_SHARED, or ../shared beside the repository. NULL
 * where it is absent: more cases, no reason to skip. */
const char *test_shared(const char *name);
/* Folders with PyTorch's checkpoints of every kind and their contents.json: the repository's, and
 * the additional ones where there are. Returns how many. */
int test_checkpoints(const char *at[2]);
/* Image i of the training list of data/photos_lt, whose images are CIFAR's size; wraps. */
enum { TEST_PHOTOS = 294 };
const char *test_photo(int i);
/* Lists of photographs of all kinds and sizes. spec[0]: the repository's, in ten classes; spec[1],
 * where there is additional material: its ImageNet samples. Returns how many. */
int test_photographs(DatasetSpec spec[2]);
/* Skips the running test (cmocka) and says why in a line of its own, "skipped: REASON", which
 * tools/check.sh counts. */
void test_skip(const char *reason);
/* Redirects stderr into a file until test_stderr_end, which returns what was written (malloc'd). */
void test_stderr_begin(void);
char *test_stderr_end(void);

#endif
