/* Facts of a run as tables: time, protocol, options. */
#include "report/html.h"
#include "report/sections.h"

#include <math.h>
#include <string.h>

/* ---- time */

typedef struct Times {
    double steps, waits, evaluation; /* seconds of all epochs */
    double rate;                     /* images a second, mean of epochs */
    int evaluations;
} Times;

static double known(double value)
{
    return isnan(value) ? 0 : value;
}

static Times add_times(const RunRecord *run)
{
    Times t = {0};
    int rates = 0;
    for (int64_t i = 0; i < run->epoch_count; i++) {
        const EpochRow *row = &run->epochs[i];
        t.steps += known(row->seconds);
        t.waits += known(row->data_seconds);
        t.evaluation += known(row->eval_seconds);
        t.evaluations += row->eval_seconds > 0;
        t.rate += known(row->images_per_second);
        rates += !isnan(row->images_per_second);
    }
    t.rate /= rates; /* NaN of none */
    return t;
}

static void put_part(FILE *out, const char *style, double seconds, double all)
{
    fprintf(out, "<i class=\"%s\" style=\"width:%.2f%%\"></i>", style, 100 * seconds / all);
}

static void put_part_row(Table *t, int row, const char *title, double seconds, double all)
{
    table_set(t, row, 0, "%s", title);
    table_set(t, row, 1, "%.1f", seconds);
    table_set(t, row, 2, "%.1f %%", 100 * seconds / all);
}

static void put_times(FILE *out, const RunRecord *run, const Times *t)
{
    Arena arena = {0};
    double waits = t->waits < t->steps ? t->waits : t->steps, all = t->steps + t->evaluation;
    Table table = table_new(&arena, 3, 3);
    table_head(&table, 0, false, "");
    table_head(&table, 1, true, "seconds");
    table_head(&table, 2, true, "share");
    put_part_row(&table, 0, "steps: computing", t->steps - waits, all);
    put_part_row(&table, 1, "steps: waiting for data", waits, all);
    if (t->evaluations)
        put_part_row(&table, 2, "evaluation", t->evaluation, all);
    else
        table_set(&table, 2, 0, "evaluation: not known");
    fputs("<div class=\"parts\">", out);
    put_part(out, "k0", t->steps - waits, all);
    put_part(out, "k1", waits, all);
    put_part(out, "k2", t->evaluation, all);
    fputs("</div>\n", out);
    table_html(&table, out);
    fprintf(out, "<figcaption>%lld epoch%s", (long long)run->epoch_count,
            run->epoch_count == 1 ? "" : "s");
    if (t->evaluations)
        fprintf(out, ", %d evaluation%s", t->evaluations, t->evaluations == 1 ? "" : "s");
    if (!isnan(t->rate))
        fprintf(out, "; %.1f images a second while training", t->rate);
    fputs(". Without the first step, which may build kernels.</figcaption>\n", out);
    arena_free(&arena);
}

void section_time(FILE *out, const RunRecord *run)
{
    Times t = add_times(run);
    fputs("<figure><h3>Time</h3>\n", out);
    if (t.steps > 0)
        put_times(out, run, &t);
    else
        html_missing(out, "Not known: metrics.csv is not there, or has no epoch yet.");
    fputs("</figure>\n", out);
}

/* ---- protocol */

static void put_fact(FILE *out, const char *title, const char *text)
{
    if (!text)
        return;
    fprintf(out, "<tr><th>%s</th><td>", title);
    html_text(out, "%s", text);
    fputs("</td></tr>\n", out);
}

static void put_method(FILE *out, const RunRecord *run, Arena *arena)
{
    const Options *o = &run->options;
    const Json *report = run->report;
    const char *arch =
        run->texts ? run->texts[OPTION_ID_arch].value : json_text(report, "architecture", NULL);
    put_fact(out, "network", arch);
    put_fact(out, "arithmetic",
             run->arithmetic ? run->arithmetic
             : report        ? arena_printf(arena, "%s, math %s", json_text(report, "amp", "?"),
                                            json_text(report, "math", "?"))
                             : NULL);
    if (!run->texts) {
        put_fact(out, "method, seed", "not known: options.txt is not there");
        return;
    }
    put_fact(out, "method", run->texts[OPTION_ID_method].value);
    put_fact(out, "preset", o->preset);
    put_fact(out, "seed", run->texts[OPTION_ID_seed].value);
    put_fact(out, "epochs",
             arena_printf(arena, "%lld of %d", (long long)run->epoch_count, o->epochs));
    put_fact(out, "batch",
             arena_printf(arena, "%d images, of %d rank%s", o->batch, o->ranks,
                          o->ranks > 1 ? "s" : ""));
}

static const char *skipped(const Json *report, const char *key, Arena *arena)
{
    double count = json_number(report, key, NAN);
    return isnan(count) ? "not known" : arena_printf(arena, "%.0f", count);
}

static void put_data(FILE *out, const RunRecord *run, Arena *arena)
{
    const Json *report = run->report;
    put_fact(out, "training data",
             run->train_data ? run->train_data : "not known: no checkpoint (last.pth.tar) says");
    if (!report) {
        put_fact(out, "test data",
                 "not known: report.json is not there. A run writes it at its end");
        return;
    }
    put_fact(out, "test data",
             json_number(report, "images", NAN) == 0
                 ? "there are none"
                 : arena_printf(arena, "%s: %.0f images, checksum %s",
                                json_text(report, "data", "?"), json_number(report, "images", NAN),
                                json_text(report, "checksum", "?")));
    put_fact(out, "unreadable images",
             arena_printf(arena, "%s of the test data left out, %s of the training data replaced",
                          skipped(report, "skipped", arena),
                          skipped(report, "train_skipped", arena)));
    const char *choice = json_text(report, "choice", NULL);
    put_fact(out, "evaluated",
             arena_printf(arena, "%s%s%s",
                          json_text(report, "checkpoint", "the network as the run left it"),
                          choice ? ": " : "", choice ? choice : ""));
}

static void put_val(FILE *out, const RunRecord *run, Arena *arena)
{
    const Json *protocol = json_get(run->report, "protocol"), *val = json_get(protocol, "val");
    if (val && val->kind == JSON_OBJECT)
        put_fact(out, "validation data",
                 arena_printf(arena, "%s: %.0f images, checksum %s", json_text(val, "data", "?"),
                              json_number(val, "images", NAN), json_text(val, "checksum", "?")));
    put_fact(out, "test images while training", json_text(protocol, "test_images", NULL));
}

/* "top-1 41.00 %", or that of the test images is not known. */
static const char *top1_of(double top1, Arena *arena)
{
    return isnan(top1) ? "top-1 not known" : arena_printf(arena, "top-1 %.2f %%", 100 * top1);
}

static void put_best(FILE *out, const RunRecord *run, Arena *arena)
{
    RunBest best = run_best(run);
    const char *test = top1_of(best.top1, arena), *text = NULL;
    if (run->select != SELECT_AUTO)
        put_fact(out, "selected on", arena_printf(arena, "the %s", select_title(run->select)));
    if (!best.epoch)
        return;
    if (run->select == SELECT_TEST)
        text = arena_printf(arena,
                            "epoch %d, %s: the highest of the test images, which were looked at to "
                            "choose it; the figures above are of the last network",
                            best.epoch, test);
    else if (run->select == SELECT_VAL)
        text = arena_printf(arena,
                            "epoch %d, validation %s: the highest; its test %s; the figures above "
                            "are of the last network",
                            best.epoch, top1_of(best.val_top1, arena), test);
    else if (run->select == SELECT_LAST)
        text = "none is chosen by its accuracy: the last counts, and the figures above are its";
    put_fact(out, "best checkpoint", text);
}

/* How the run came about, where its report says so. */
static void put_program(FILE *out, const RunRecord *run, Arena *arena)
{
    const Json *made = run->report ? json_get(run->report, "run") : NULL;
    if (!made)
        return;
    put_fact(out, "program",
             arena_printf(arena, "paco %s (commit %s)", json_text(made, "version", "?"),
                          json_text(made, "commit", "?")));
    put_fact(out, "command", json_text(made, "command", NULL));
    put_fact(out, "ended",
             arena_printf(arena, "%s, after %.0f start%s", json_text(made, "ended", "?"),
                          json_number(made, "starts", NAN),
                          json_number(made, "starts", NAN) == 1 ? "" : "s"));
}

void section_protocol(FILE *out, const RunRecord *run)
{
    Arena arena = {0};
    fputs("<figure><h3>Protocol</h3>\n<div class=\"wide\"><table class=\"facts\">\n", out);
    put_method(out, run, &arena);
    put_data(out, run, &arena);
    put_val(out, run, &arena);
    put_best(out, run, &arena);
    put_program(out, run, &arena);
    fputs("</table></div></figure>\n", out);
    arena_free(&arena);
}

/* ---- options */

void section_options(FILE *out, const RunRecord *run)
{
    fputs("<figure><h3>Options that are not the defaults</h3>\n", out);
    if (!run->texts) {
        html_missing(out, "Not known: options.txt is not there.");
        fputs("</figure>\n", out);
        return;
    }
    Arena arena = {0};
    Options plain;
    options_init(&plain);
    const OptionText *standard = option_texts(&plain, &arena);
    Table t = table_new(&arena, OPTION_COUNT, 3);
    table_head(&t, 0, false, "option");
    table_head(&t, 1, false, "value");
    table_head(&t, 2, false, "default");
    t.rows = 0;
    for (int id = 0; id < OPTION_COUNT; id++)
        if (strcmp(run->texts[id].value, standard[id].value) != 0) {
            table_set(&t, t.rows, 0, "--%s", standard[id].name);
            table_set(&t, t.rows, 1, "%s", run->texts[id].value);
            table_set(&t, t.rows++, 2, "%s", standard[id].value);
        }
    table_html(&t, out);
    fputs("</figure>\n", out);
    options_free(&plain);
    arena_free(&arena);
}
