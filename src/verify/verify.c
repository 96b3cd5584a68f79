/* Finds golden files, runs each by its kind, and sums up. */
#include "verify/verify.h"

#include "verify/files.h"
#include "verify/image_cases.h"

#include <stdlib.h>
#include <string.h>

/* What a stranger should run first: the loss at an extreme and at the sizes of two recipes, and the
 * steps of which the second is made to tell apart wrong momentum, decay, statistics and queue. */
static const char *const STANDARD[] = {"loss/tiny", "loss/extreme_logits", "loss/cifar100_lt",
                                       "loss/imagenet_lt", "step/resnet20", "step/resnet20_sharp"};
enum { STANDARD_COUNT = sizeof STANDARD / sizeof *STANDARD };

static Status run_images(const char *folder, const char *image, FILE *out, bool *passed)
{
    char *found = NULL;
    int failed = 0;
    if (!image)
        TRY(golden_photograph(folder, &found));
    Status status = image_cases_run(image ? image : found, folder, out, &failed);
    *passed = failed == 0;
    free(found);
    return status;
}

static Status run_one(const VerifyOptions *options, const char *name, FILE *out, bool *passed)
{
    char *path;
    TRY(golden_find(name, &path));
    Status status;
    if (golden_is_images(path)) {
        status = golden_stores_nothing(path, &options->golden);
        if (status == STATUS_OK)
            status = run_images(path, options->image, out, passed);
    } else if (options->image)
        status = status_fail(STATUS_USAGE, "verify: --image: %s is no folder of image cases", path);
    else
        status = golden_verify(path, &options->golden, out, passed);
    free(path);
    fflush(out);
    return status;
}

Status verify_run(const VerifyOptions *options, FILE *out, VerifyResult *result)
{
    const char *const *names = options->count ? options->names : STANDARD;
    int count = options->count ? options->count : STANDARD_COUNT;
    *result = (VerifyResult){0};
    for (int i = 0; i < count; i++) {
        bool passed = false;
        TRY(run_one(options, names[i], out, &passed));
        result->passed += passed;
        result->failed += !passed;
    }
    if (!options->count && result->failed == 0)
        fprintf(out, "all %d pass: losses, gradients, updates and statistics on this device are "
                "PyTorch's, within the bound behind each slash\n", count);
    return STATUS_OK;
}

Status verify_list(FILE *out)
{
    GoldenNames g = golden_names_open();
    Status status = STATUS_OK;
    if (g.count == 0)
        status = golden_missing("verify");
    for (int i = 0; i < g.count; i++) {
        bool standard = false;
        for (int k = 0; k < STANDARD_COUNT; k++)
            standard |= strcmp(g.names[i], STANDARD[k]) == 0;
        fprintf(out, "%s%s\n", g.names[i], standard ? " *" : "");
    }
    golden_names_close(&g);
    return status;
}
