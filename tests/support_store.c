/* Saving, reading and looking, over and over. */
#include "support_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "checkpoint/writer.h"
#include "support_checkpoint.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>

char *store_folder;
int64_t store_elements = STORE_VALUES;
static float values[STORE_VALUES];

static Status write_step(Sink *sink, void *context)
{
    Arena arena = {0};
    Object *root = object_dict(&arena, false);
    int64_t step = *(int64_t *)context;
    for (int64_t i = 0; i < store_elements; i++)
        values[i] = (float)(step * 1000 + i);
    object_set(&arena, root, "step", object_int(&arena, step));
    object_set(&arena, root, "w",
               object_tensor(&arena, ELEMENT_FLOAT32, 1, (int64_t[]){store_elements}, values));
    Status status = torch_write(sink, root, NULL);
    arena_free(&arena);
    return status;
}

Status save_step(Store *store, int64_t step, bool best)
{
    return store_save(store, &(StoreSave){.step = step, .kind = best ? STORE_BEST_SO_FAR : STORE_PLAIN,
                                          .write = write_step, .context = &step});
}

int64_t step_of(const char *path)
{
    Checkpoint *c;
    int64_t step = -1;
    float have[STORE_VALUES];
    assert_non_null(path);
    if (checkpoint_open(path, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_integer(c, "step", &step), STATUS_OK);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_FLOAT32, have), STATUS_OK);
    for (int64_t i = 0; i < store_elements; i++)
        assert_true(have[i] == (float)(step * 1000 + i));
    checkpoint_close(c);
    return step;
}

int64_t last_step(void)
{
    char *path;
    if (store_last(store_folder, &path) != STATUS_OK)
        fail_msg("%s", status_text());
    int64_t step = path ? step_of(path) : -1;
    free(path);
    return step;
}

int files_ending(const char *ending)
{
    return test_files_ending(store_folder, ending);
}

void in_folder(const char *name, char path[4096])
{
    snprintf(path, 4096, "%s/%s", store_folder, name);
}

int fresh_folder(void **state)
{
    (void)state;
    remove_folder(store_folder);
    return 0;
}

Store *open_store(int keep, const FileOps *ops)
{
    StoreOptions options = {.keep = keep, .ops = ops};
    Store *store;
    if (store_open(store_folder, &options, &store) != STATUS_OK)
        fail_msg("%s", status_text());
    return store;
}
