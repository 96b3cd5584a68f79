/* paco inspect: what a checkpoint is. */
#include "base/file.h"
#include "base/log.h"
#include "model/resnet.h"
#include "state/inspect.h"
#include "options/suggest.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const char usage_inspect[] =
    "usage: paco inspect FILE [--key NAME] [--arch NAME] [--quiet] [--require-crc] "
    "[--strict-finite]\n"
    "       paco inspect FOLDER [--require-crc]\n\n"
    "Prints format, architecture, differences from it, and every tensor with type, shape, norm. "
    "Of a run's folder, or any\n"
    "with checkpoints, a table of them: epochs, sizes, networks, the newest, the best, and the "
    "options.";

static Status find_arch(const char *name, const Arch **arch)
{
    Suggest near = suggest_begin(name);
    for (int i = 0; (*arch = arch_at(i)); i++) {
        if (strcmp((*arch)->name, name) == 0)
            return STATUS_OK;
        suggest_try(&near, (*arch)->name);
    }
    return status_fail(STATUS_USAGE, "inspect: --arch: unknown '%.60s'. %s%s", name,
                       near.best ? "Did you mean " : "`paco train --help` lists them",
                       near.best ? near.best : "");
}

static Status inspect(const char *path, const InspectOptions *options)
{
    if (!file_is_folder(path))
        return inspect_file(path, options, stdout);
    if (options->key || options->arch || options->strict_finite)
        return status_fail(STATUS_IO,
                           "%s: is a folder: --key, --arch and --strict-finite are for one file",
                           path);
    return inspect_folder(path, options, stdout);
}

int verb_inspect(int argc, char **argv)
{
    InspectOptions options = {0};
    const char *path = NULL, *arch = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--arch") == 0 && i + 1 < argc) {
            arch = argv[++i];
        } else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            options.key = argv[++i];
        } else if (strcmp(argv[i], "--quiet") == 0) {
            options.quiet = true;
        } else if (strcmp(argv[i], "--require-crc") == 0) {
            options.open.require_crc = true;
        } else if (strcmp(argv[i], "--strict-finite") == 0) {
            options.strict_finite = true;
        } else if (argv[i][0] == '-' || path) {
            log_error("inspect: unexpected argument '%s'. `paco inspect --help` explains", argv[i]);
            return STATUS_USAGE;
        } else {
            path = argv[i];
        }
    }
    if (!path) {
        log_error("inspect: no FILE or FOLDER given. `paco inspect --help` explains");
        return STATUS_USAGE;
    }
    Status status = arch ? find_arch(arch, &options.arch) : STATUS_OK;
    if (status == STATUS_OK)
        status = inspect(path, &options);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return (int)status;
}
