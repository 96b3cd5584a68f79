/* paco convert: a checkpoint in another format. */
#include "base/log.h"
#include "state/convert.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const char usage_convert[] =
    "usage: paco convert FROM TO [--format zip|legacy|safetensors] [--bare] [--key NAME]\n"
    "                    [--require-crc]\n\n"
    "FROM is a PyTorch zip, legacy stream or tar, or safetensors.";

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
    Status status = convert_file(path[0], path[1], &options, &file_ops_system);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return (int)status;
}
