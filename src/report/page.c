/* The page: its head, and the sections in their order. */
#include "report/page.h"

#include "base/file.h"
#include "report/html.h"
#include "report/sections.h"

#include <math.h>

/* ---- the numbers at the head of a run */

static void put_tiles(FILE *out, const RunRecord *run)
{
    fputs("<div class=\"tiles\">\n", out);
    for (int f = 0; f < FIGURE_COUNT; f++) {
        const FigureRow *row = &figure_rows[f];
        double value = run_figure(run, (Figure)f);
        if (!isnan(value))
            fprintf(out, "<span><b>%.*f</b>%s</span>\n", row->decimals, row->scale * value,
                    row->title);
    }
    fputs("</div>\n", out);
    if (!run->report)
        html_missing(out, "report.json is not there: a run writes it at its end. Numbers are those "
                          "of the last epoch that was evaluated.");
}

static void put_run(FILE *out, RunRecord *run)
{
    put_tiles(out, run);
    fputs("<div class=\"grid\">\n", out);
    section_curves(out, run);
    section_tail(out, run);
    section_confusion(out, run);
    section_reliability(out, run);
    section_images(out, run);
    section_pairs(out, run);
    section_protocol(out, run);
    section_time(out, run);
    section_options(out, run);
    fputs("</div>\n", out);
}

/* ---- several */

static void put_comparison(FILE *out, const Runs *runs)
{
    Arena arena = {0};
    Table table = runs_table(runs, false, &arena);
    fputs("<h3>Final numbers</h3>\n", out);
    table_html(&table, out);
    fputs("<p>Mean and sample standard deviation over the runs of a row, which differ in their "
          "seed alone. Options that are not shown are the same in all rows.</p>\n",
          out);
    for (int i = 0; i < runs->count; i++)
        if (!runs->list[i].texts)
            html_missing(out, "%s: options.txt is not there; the run stands alone.",
                         runs->list[i].name);
    section_overlay(out, runs);
    arena_free(&arena);
}

static void put_body(FILE *out, Runs *runs)
{
    if (runs->count == 1) {
        put_run(out, &runs->list[0]);
        return;
    }
    put_comparison(out, runs);
    for (int i = 0; i < runs->count; i++) {
        fputs("<h2></h2><details class=\"runs\"><summary>", out);
        html_text(out, "%s", runs->list[i].name);
        fputs("</summary>\n", out);
        put_run(out, &runs->list[i]);
        fputs("</details>\n", out);
    }
}

Status page_write(Runs *runs, const char *path)
{
    FileOutput out;
    TRY(file_output_open(&out, path));
    FILE *file = out.file;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          file);
    html_text(file, "%s%s", runs->list[0].name, runs->count > 1 ? " and others" : "");
    fprintf(file, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", page_style);
    if (runs->count == 1)
        html_text(file, "%s", runs->list[0].name);
    else
        fprintf(file, "%d runs", runs->count);
    fputs("</h1>\n", file);
    put_body(file, runs);
    fputs("</body>\n</html>\n", file);
    return file_output_close(&out);
}
