/* Fuzzes what reports read: the first byte says which record of a run the others are. It is read,
 * shown and compared, or refused with a text of its own. Options are only read, as their images
 * could be anywhere. */
#include "fuzz.h"

#include "base/check.h"
#include "report/page.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const records[] = {"metrics.csv", "classes.csv",     "confusion.csv",
                                      "report.json", "predictions.csv", "options.txt"};

enum { RECORDS = sizeof records / sizeof *records };

static void show(Runs *runs)
{
    Arena arena = {0};
    FILE *nowhere = fopen("/dev/null", "w");
    CHECK(nowhere && page_write(runs, "/dev/null") == STATUS_OK);
    Table table = runs_table(runs, false, &arena);
    table_plain(&table, nowhere);
    table_latex(&table, nowhere);
    table = runs_table(runs, true, &arena);
    table_csv(&table, nowhere);
    fclose(nowhere);
    arena_free(&arena);
}

int fuzz_target_report(const uint8_t *bytes, size_t size)
{
    char folder[64], path[96], *folders[2] = {folder, folder};
    if (size < 1)
        return 0;
    const char *name = records[bytes[0] % RECORDS];
    snprintf(folder, sizeof folder, "/tmp/fuzz_report.%d", (int)getpid());
    snprintf(path, sizeof path, "%s/%s", folder, name);
    mkdir(folder, 0700);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes + 1, 1, size - 1, file) == size - 1 && fclose(file) == 0);
    for (int count = 1; count <= 2; count++) {
        Runs runs;
        Status status = runs_read(count, folders, &runs);
        CHECK(status == STATUS_OK || status_text()[0]);
        if (status == STATUS_OK && strcmp(name, "options.txt") != 0)
            show(&runs);
        runs_free(&runs);
    }
    unlink(path);
    rmdir(folder);
    return 0;
}
