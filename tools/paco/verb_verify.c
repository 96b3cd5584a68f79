/* paco verify: golden files on a device. */
#include "base/log.h"
#include "verify/verify.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

const char usage_verify[] =
    "usage: paco verify [options] [NAME|FILE...]\n"
    "       paco verify [--image PHOTO] image/NAME|FOLDER\n"
    "       paco verify --list\n\n"
    "Runs the configuration of each golden file (made with PyTorch) on device D and compares "
    "every number\n"
    "that the file holds: 1e-9 on the float64 reference (--device ref), else the file's "
    "tolerances.\n"
    "One line per file: PASS or FAIL, and each category's worst figure against its bound. "
    "Without a name it\n"
    "compares a short standard set. Golden files have names, as step/resnet20; a file's path "
    "serves as well.\n\n"
    "image/NAME (in a source tree), or a FOLDER with a cases.json, holds image operations and "
    "what Pillow\n"
    "made of them: compared pixel by pixel, on the processor, whatever the device. The photograph "
    "is NAME in\n"
    "data/photos beside the golden files, or that of --image.";

static int usage_error(const char *what)
{
    log_error("verify: %s. `paco verify --help` lists the options", what);
    return STATUS_USAGE;
}

static int unknown_option(const char *word)
{
    log_error("verify: %.60s: unknown option. `paco verify --help` lists the options", word);
    return STATUS_USAGE;
}

/* Each takes the value of one option; false: it is none. */
static bool set_device(VerifyOptions *options, const char *value)
{
    options->golden.session.device = value;
    return true;
}

static bool set_image(VerifyOptions *options, const char *value)
{
    options->image = value;
    return true;
}

static bool set_kernels(VerifyOptions *options, const char *value)
{
    options->golden.session.on.kernels = value;
    return true;
}

static bool set_amp(VerifyOptions *options, const char *value)
{
    options->golden.amp = value;
    return storage_find(value) >= 0;
}

static bool set_math(VerifyOptions *options, const char *value)
{
    int math = math_find(value);
    options->golden.session.on.math = math < 0 ? MATH_STRICT : (Math)math;
    return math >= 0;
}

static bool set_steps(VerifyOptions *options, const char *value)
{
    options->golden.steps = atoi(value);
    return options->golden.steps >= 1;
}

/* The options that have a value, and what values there are. */
static const struct ValueOption {
    const char *name, *needs;
    bool (*set)(VerifyOptions *options, const char *value);
} value_options[] = {
    {"--device", "ref, ref32, opencl, opencl:N or auto", set_device},
    {"--image", "a photograph", set_image},
    {"--kernels", "cpu or gpu", set_kernels},
    {"--amp", "fp32, fp16 or bf16", set_amp},
    {"--math", "strict or tf32", set_math},
    {"--steps", "a number of at least 1", set_steps},
};

static const struct ValueOption *find_value_option(const char *name)
{
    for (size_t i = 0; i < sizeof value_options / sizeof *value_options; i++)
        if (!strcmp(name, value_options[i].name))
            return &value_options[i];
    return NULL;
}

/* value: NULL where the option is the last word. */
static int take_value(VerifyOptions *options, const struct ValueOption *option, const char *value)
{
    if (value && option->set(options, value))
        return STATUS_OK;
    log_error("verify: %s needs %s%s%.60s. `paco verify --help` lists the options", option->name,
              option->needs, value ? ", not " : "", value ? value : "");
    return STATUS_USAGE;
}

/* Every process compares; process 0 prints. */
static Status verify(VerifyOptions *options, Comm *comm, VerifyResult *result)
{
    FILE *out = comm_index(comm) == 0 ? stdout : fopen("/dev/null", "w");
    if (!out)
        return status_fail(STATUS_IO, "/dev/null: cannot open");
    options->golden.session.plan.comm = comm;
    Status status = verify_run(options, out, result);
    if (out != stdout)
        fclose(out);
    return status;
}

static int run(VerifyOptions *options, bool list)
{
    VerifyResult result = {0};
    Comm *comm = NULL;
    Status status = comm_open(COMM_TIMEOUT, version_text(), &comm);
    if (status == STATUS_OK)
        status = list ? verify_list(stdout) : verify(options, comm, &result);
    int code = status != STATUS_OK ? (int)status : result.failed ? 1 : 0;
    if (!comm_speaks(comm))
        ; /* another process does */
    else if (status != STATUS_OK)
        log_error("%s", status_text());
    else if (result.failed)
        log_error("verify: %d of %d failed. --verbose names each category's worst tensor",
                  result.failed, result.passed + result.failed);
    comm_close(comm, (Status)code);
    return code;
}

int verb_verify(int argc, char **argv)
{
    VerifyOptions options = {.names = (const char **)argv}; /* names move to the front of argv */
    bool list = false;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        const struct ValueOption *option;
        if (!strcmp(a, "--verbose"))
            options.golden.verbose = true;
        else if (!strcmp(a, "--no-fuse"))
            options.golden.session.plan.no_fuse = true;
        else if (!strcmp(a, "--list"))
            list = true;
        else if ((option = find_value_option(a))) {
            const char *value = i + 1 < argc ? argv[++i] : NULL;
            if (take_value(&options, option, value) != STATUS_OK)
                return STATUS_USAGE;
        } else if (a[0] == '-')
            return unknown_option(a);
        else
            options.names[options.count++] = a;
    }
    if (options.image && options.count != 1)
        return usage_error("--image needs one folder of image cases");
    if (list && options.count)
        return usage_error("--list takes no name");
    return run(&options, list);
}
