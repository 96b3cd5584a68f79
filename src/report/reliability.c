/* Reliability: confidence of the best class against how often it is right, in bins of equal width:
 * those of report.json, else made here from predictions.csv in the same way. */
#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

#include <math.h>

enum { BINS = 15, BINS_MAX = 100 };

typedef struct Bin {
    double count, confidence, correct; /* images, and sums over them */
} Bin;

typedef struct Reliability {
    int bins;
    Bin bin[BINS_MAX];
    Bin all;
} Reliability;

static void add(Reliability *r, int bin, double count, double confidence, double correct)
{
    Bin *to[2] = {&r->bin[bin], &r->all};
    for (int i = 0; i < 2; i++) {
        to[i]->count += count;
        to[i]->confidence += confidence;
        to[i]->correct += correct;
    }
}

/* Bins as report.json lists them; none where it has none. */
static Reliability from_report(const RunRecord *run)
{
    Reliability r = {0};
    const Json *list = json_get(run->report, "ece_bins");
    if (!list || list->kind != JSON_ARRAY || list->count > BINS_MAX)
        return r;
    for (const Json *b = list->child; b; b = b->next) {
        double count = json_number(b, "count", 0);
        if (count > 0)
            add(&r, r.bins, count, count * json_number(b, "confidence", NAN),
                count * json_number(b, "accuracy", NAN));
        r.bins++;
    }
    return r;
}

/* Bin b holds what is above b / BINS and at most (b + 1) / BINS. */
static Reliability from_predictions(const RunRecord *run)
{
    Reliability r = {.bins = BINS};
    for (int64_t i = 0; i < run->prediction_count; i++) {
        const PredictionRecord *p = &run->predictions[i];
        int bin = isnan(p->confidence) ? -1 : (int)ceil(p->confidence * BINS) - 1;
        if (!isnan(p->confidence))
            add(&r, bin > 0 ? bin : 0, 1, p->confidence, p->label == p->top1);
    }
    return r;
}

/* Expected calibration error, a fraction. */
static double error_of(const Reliability *r)
{
    double sum = 0;
    for (int b = 0; b < r->bins; b++)
        sum += fabs(r->bin[b].correct - r->bin[b].confidence);
    return sum / r->all.count;
}

static void draw(FILE *out, const Reliability *r)
{
    Plot plot = {.out = out,
                 .x = {.low = 0, .high = 1, .title = "confidence"},
                 .y = {.low = 0, .high = 1, .title = "accuracy"},
                 .right = {.low = 0, .high = 1, .title = "share of the images"}};
    double x[BINS_MAX], middle[BINS_MAX], accuracy[BINS_MAX], share[BINS_MAX], ends[2] = {0, 1};
    for (int b = 0; b < r->bins; b++) {
        const Bin *bin = &r->bin[b];
        middle[b] = (b + 0.5) / r->bins;
        share[b] = bin->count / r->all.count;
        x[b] = bin->confidence / bin->count; /* NaN of an empty bin */
        accuracy[b] = bin->correct / bin->count;
    }
    plot_begin(&plot, "Accuracy against confidence");
    plot_bars(&plot, "size", middle, share, r->bins, 0.9 / r->bins);
    plot_axes(&plot);
    plot_line(&plot, "ideal", ends, ends, 2);
    plot_line(&plot, "k0", x, accuracy, r->bins);
    plot_points(&plot, "k0", x, accuracy, r->bins);
    plot_end(&plot);
    fprintf(out,
            "<figcaption>ECE %.2f %% in %d bins, of %.0f images; mean confidence %.2f %%. "
            "Below the dashed line the network is too sure. Bars: share of the images."
            "</figcaption>\n",
            100 * error_of(r), r->bins, r->all.count, 100 * r->all.confidence / r->all.count);
}

void section_reliability(FILE *out, const RunRecord *run)
{
    Reliability r = from_report(run);
    if (!r.all.count)
        r = from_predictions(run);
    fputs("<figure><h3>Reliability</h3>\n", out);
    if (r.all.count)
        draw(out, &r);
    else if (run->prediction_count)
        html_missing(out, "Not drawn: predictions.csv has no probabilities (top1_p); an earlier "
                          "version wrote it.");
    else
        html_missing(out, "Not drawn: report.json has no calibration (ece_bins), and "
                          "predictions.csv is not there. `paco eval --checkpoint ... --out FOLDER` "
                          "writes it.");
    fputs("</figure>\n", out);
}
