/* paco convert: a checkpoint in another format. */
#include "base/log.h"
#include "state/convert.h"
#include "state/store.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char usage_convert[] =
    "usage: paco convert FROM TO [--format zip|legacy|safetensors] [--bare] [--key NAME]\n"
    "                    [--require-crc]\n\n"
    "FROM is a PyTorch zip, legacy stream or tar, or safetensors; of a run's folder its best "
    "checkpoint, else its newest.";

static Status convert(const char *from, const char *to, const ConvertOptions *options)
{
    char *chosen;
    struct stat result;
    TRY(store_choose(from, &chosen, NULL, NULL));
    Status status = convert_file(chosen, to, options, &file_ops_system);
    if (status == STATUS_OK && stat(to, &result) == 0)
        log_text(stdout, "%s: %s, %.1f MiB, from %s", to, convert_format_word(options->format),
                 (double)result.st_size / (1 << 20), chosen);
    if (status == STATUS_OK)
        putchar('\n');
    free(chosen);
    return status;
}

int verb_convert(int argc, char **argv)
{
    ConvertOptions options = {0};
    const char *path[2] = {NULL, NULL};
    int paths = 0;
    bool named = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bare") == 0) {
            options.bare = true;
        } else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            options.key = argv[++i];
        } else if (strcmp(argv[i], "--require-crc") == 0) {
            options.open.require_crc = true;
        } else if (strcmp(argv[i], "--format") == 0 && i + 1 < argc) {
            named = convert_format_named(argv[++i], &options.format);
            if (!named) {
                log_error("convert: --format: unknown '%s' (expected zip, legacy or safetensors)",
                          argv[i]);
                return STATUS_USAGE;
            }
        } else if (argv[i][0] == '-' || paths == 2) {
            log_error("convert: unexpected argument '%s'. `paco convert --help` explains", argv[i]);
            return STATUS_USAGE;
        } else {
            path[paths++] = argv[i];
        }
    }
    if (paths != 2) {
        log_error("convert: FROM and TO are needed. `paco convert --help` explains");
        return STATUS_USAGE;
    }
    if (!named)
        options.format = convert_format(path[1]);
    Status status = convert(path[0], path[1], &options);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return (int)status;
}
