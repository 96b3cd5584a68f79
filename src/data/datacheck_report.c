/* The report of a data check: figures of both halves, what they share, and the verdict. */
#include "data/datacheck.h"
#include "data/shots.h"

#include "base/log.h"

static void check_half(const char *title, const Dataset *data, bool decode, int lines, FILE *out,
                       DataCheck *check)
{
    if (!data)
        return;
    log_info("%s set: %s", title, data->source);
    datacheck_run(data, decode, lines, out, check);
}

void datacheck_print_groups(const Dataset *d, FILE *out)
{
    int classes[SHOT_COUNT] = {0};
    for (int c = 0; c < d->classes; c++)
        classes[shot_of(d->counts[c])] += d->counts[c] > 0;
    fprintf(out, "  many-shot %d, medium-shot %d, few-shot %d classes\n", classes[SHOT_MANY],
            classes[SHOT_MEDIUM], classes[SHOT_FEW]);
}

void datacheck_print_files(const DataCheck *check, FILE *out)
{
    fprintf(out, "  missing %lld, unreadable %lld, listed twice %lld, with conflicting labels %lld",
            (long long)check->missing, (long long)check->unreadable, (long long)check->duplicates,
            (long long)check->conflicts);
}

void datacheck_print_classes(const DataCheck *check, FILE *out)
{
    fprintf(out, "  images per class %lld to %lld, imbalance %.4g, empty classes %d\n",
            (long long)check->smallest, (long long)check->largest,
            (double)check->largest / (double)check->smallest, check->empty_classes);
}

static void print_half(const char *title, const Dataset *d, const DataCheck *check, FILE *out)
{
    if (!d)
        return;
    log_text(out, "%s set %s: %lld images, %d classes, checksum %016llx", title, d->source,
             (long long)d->count, d->classes, (unsigned long long)d->checksum);
    fputc('\n', out);
    datacheck_print_files(check, out);
    if (check->compared)
        fprintf(out, ", copies under other names %lld\n", (long long)check->copies);
    else
        fprintf(out, ", copies not looked for (--decode off)\n");
    datacheck_print_classes(check, out);
}

/* Damage makes the exit status that a run over these files would end with; labels that contradict
 * each other end no run, but whoever checks wants to know: they are malformed input. */
static Status verdict(const DataCheck *train, const DataCheck *test)
{
    long long missing = (long long)(train->missing + test->missing);
    long long unreadable = (long long)(train->unreadable + test->unreadable);
    long long conflicts = (long long)(train->conflicts + test->conflicts);
    Status status = train->missing || (train->status != STATUS_OK && !test->missing) ? train->status
                                                                                     : test->status;
    if (status == STATUS_OK && conflicts)
        status = STATUS_INPUT;
    if (status == STATUS_OK)
        return STATUS_OK;
    return status_fail(
        status, "data check: %lld images missing, %lld unreadable, %lld with conflicting labels",
        missing, unreadable, conflicts);
}

static void print_overlap(const DataCheck *train, const DataCheck *test, FILE *out)
{
    int64_t names, contents;
    datacheck_overlap(train, test, &names, &contents);
    fprintf(out, "test images that are training images too: %lld by path, ", (long long)names);
    if (train->compared && test->compared)
        fprintf(out, "%lld more by content\n", (long long)contents);
    else
        fprintf(out, "contents not compared (--decode off)\n");
    if (names + contents)
        log_warn("%lld test images are in the training set", (long long)(names + contents));
}

Status datacheck_report(const Dataset *train, const Dataset *test, bool decode, int lines,
                        FILE *out)
{
    DataCheck of_train = {0}, of_test = {0};
    check_half("training", train, decode, lines, out, &of_train);
    check_half("test", test, decode, lines, out, &of_test);
    print_half("training", train, &of_train, out);
    if (train)
        datacheck_print_groups(train, out);
    print_half("test", test, &of_test, out);
    if (train && test)
        print_overlap(&of_train, &of_test, out);
    Status status = verdict(&of_train, &of_test);
    datacheck_free(&of_train);
    datacheck_free(&of_test);
    return status;
}
