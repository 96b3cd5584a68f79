/* paco verify: golden files on a device. */
#include "base/log.h"
#include "verify/image_cases.h"
#include "verify/golden.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "usage: paco verify [--device D] [--kernels cpu|gpu] [--steps N] [--no-fuse] [--verbose] "
    "FILE...\n"
    "       paco verify --image IMAGE FOLDER\n\n"
    "Runs the configuration of each golden file (written by paco_oracle.py) on device D and "
    "compares every\n"
    "number that the file holds: 1e-9 on the float64 reference (--device ref), else the file's "
    "tolerances.\n"
    "One line per file: PASS or FAIL, and each category's worst figure against its bound.\n"
    "  --device D    ref, ref32, opencl, opencl:N or auto (default: auto)\n"
    "  --kernels K   force the kernels of CPUs or GPUs\n"
    "  --steps N     compare the first N steps only\n"
    "  --no-fuse     without fused operators\n"
    "  --verbose     name the worst tensor of each category\n"
    "  --image I     every case of FOLDER/cases.json (written by image_oracle.py) on image I, "
    "pixel "
    "by pixel; that is the\n"
    "                processor's work, whatever the device\n";

/* The argument of an option: `--name value`. */
static const char *argument(int argc, char **argv, int *i)
{
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static int usage_error(const char *what)
{
    log_error("verify: %s. `paco verify --help` lists the options", what);
    return STATUS_USAGE;
}

static int run_files(int count, char **files, const GoldenOptions *options)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        bool passed = false;
        Status status = golden_verify(files[i], options, stdout, &passed);
        if (status != STATUS_OK) {
            log_error("%s", status_text());
            return status;
        }
        fflush(stdout);
        failed += !passed;
    }
    if (failed)
        log_error("verify: %d of %d files failed", failed, count);
    return failed ? 1 : 0;
}

static int verify_image(const char *image, int count, char **folders)
{
    int failed = 0;
    if (count != 1)
        return usage_error("--image needs an image and a folder");
    Status status = image_cases_run(image, folders[0], stdout, &failed);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    else if (failed)
        log_error("verify: %d cases failed", failed);
    return status != STATUS_OK ? (int)status : failed ? 1 : 0;
}

int verb_verify(int argc, char **argv)
{
    GoldenOptions options = {0};
    const char *image = NULL;
    int files = 0;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!strcmp(a, "--help")) {
            fputs(HELP, stdout);
            return 0;
        }
        if (!strcmp(a, "--verbose"))
            options.verbose = true;
        else if (!strcmp(a, "--no-fuse"))
            options.session.plan.no_fuse = true;
        else if (!strcmp(a, "--device") || !strcmp(a, "--kernels") || !strcmp(a, "--steps") ||
                 !strcmp(a, "--image")) {
            const char *value = argument(argc, argv, &i);
            if (!value)
                return usage_error("an option lacks its value");
            if (a[2] == 'd')
                options.session.device = value;
            else if (a[2] == 'i')
                image = value;
            else if (a[2] == 'k')
                options.session.on.kernels = value;
            else if ((options.steps = atoi(value)) < 1)
                return usage_error("--steps needs a number of at least 1");
        } else if (a[0] == '-')
            return usage_error("unknown option");
        else
            argv[1 + files++] = argv[i];
    }
    if (image)
        return verify_image(image, files, argv + 1);
    if (files == 0)
        return usage_error("no golden file given");
    return run_files(files, argv + 1, &options);
}
