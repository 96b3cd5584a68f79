/* Estimates. Where a whole step takes too long to be measured, one rank with fewer images is; the
 * time of the step follows from the number of images. */
#include "measure/estimate.h"

#include "base/clock.h"
#include "base/log.h"
#include "data/sampler.h"
#include "measure/bench_parts.h"
#include "measure/predict.h"

#define PAPER "cuda:h100"

/* Steps of the whole that are measured, and images of the least; each time behind a step in which
 * drivers build kernels. */
enum { STEPS = 3, FEWEST_IMAGES = 2 };
static const double BUDGET = 8; /* seconds that the larger steps may take */

/* The plan of the training step, which takes no memory and cannot run. */
static Status open_plan(Options *o, const char *device, Run *run)
{
    ModelConfig config = bench_config(o, false);
    SessionOptions session = run_session(o);
    session.device = device ? device : session.device;
    session.plan.plan_only = session.on.plan_only = true;
    TRY(run_open(&config, &session, run));
    return session_plan(run->session)
               ? STATUS_OK
               : status_fail(STATUS_USAGE, "%s computes node by node, without a plan", o->device);
}

static void print_memory(Options *o, FILE *out)
{
    Run run = {0};
    Status status = open_plan(o, NULL, &run);
    if (status == STATUS_OK) {
        const Plan *plan = session_plan(run.session);
        fprintf(out, "# memory: %.0f MiB, of it activations %.0f MiB, on %s\n",
                (double)plan_bytes(plan) / (1 << 20),
                (double)plan_slab_bytes(plan, SLAB_ACTIVATION) / (1 << 20),
                session_device(run.session));
        status = plan_fits(plan);
    }
    if (status != STATUS_OK)
        fprintf(out, "# memory: %s\n", status_text());
    run_close(&run);
}

/* ------------------------------------------------------------------------------------ measured */

typedef struct Measured {
    int images;            /* of the larger step; those of the options: it is the whole step */
    double fewest, larger; /* seconds of a step of FEWEST_IMAGES, and of so many */
    double step;           /* of the whole step */
} Measured;

static Status time_step(const Options *o, int ranks, int batch, int steps, double *seconds)
{
    Options few = *o; /* its texts stay the other's */
    few.ranks = ranks;
    few.batch = batch;
    few.untimed = few.inner = 1;
    few.repeats = steps;
    few.profile = false;
    return bench_step_seconds(&few, seconds);
}

/* Of what takes the same time whatever the images, each rank is taken to need its own. */
static double whole_step(const Options *o, const Measured *m)
{
    double image = (m->larger - m->fewest) / (m->images - FEWEST_IMAGES);
    double rest = m->fewest - FEWEST_IMAGES * image;
    return m->images > FEWEST_IMAGES && image > 0 && rest > 0
               ? o->ranks * rest + o->batch * image
               : o->batch * m->larger / m->images;
}

/* The fewest images say how many more there is time for. */
static Status measure(const Options *o, Measured *m)
{
    TRY(time_step(o, 1, FEWEST_IMAGES, 1, &m->fewest));
    double images = BUDGET * FEWEST_IMAGES / m->fewest, rank = o->batch / o->ranks;
    if (images >= (STEPS + 1) * o->batch) {
        m->images = o->batch;
        return time_step(o, o->ranks, o->batch, STEPS, &m->step);
    }
    m->images = (int)(images / 2 < rank ? images / 2 : rank) / FEWEST_IMAGES * FEWEST_IMAGES;
    m->larger = m->fewest;
    if (m->images > FEWEST_IMAGES)
        TRY(time_step(o, 1, m->images, 1, &m->larger));
    else
        m->images = FEWEST_IMAGES;
    m->step = whole_step(o, m);
    return STATUS_OK;
}

static void print_measured(const Options *o, const Measured *m, int64_t steps, FILE *out)
{
    fprintf(out, "#   here %lld steps of %.3g s: ", (long long)steps, m->step);
    if (m->images == o->batch)
        fprintf(out, "the median of %d\n", STEPS);
    else if (m->images == FEWEST_IMAGES)
        fprintf(out, "%.3g s with %d images in one rank, as often as %d have them\n", m->fewest,
                FEWEST_IMAGES, o->batch);
    else
        fprintf(out, "from %.3g s with %d images in one rank and %.3g s with %d, to %d in %d\n",
                m->fewest, FEWEST_IMAGES, m->larger, m->images, o->batch, o->ranks);
}

/* ------------------------------------------------------------------------------------ predicted */

/* Seconds of a step in this number format; 0: there is no plan, as status_text says. */
static double predict(const Options *o, DType format)
{
    Options as = *o;
    Run run = {0};
    as.amp = format;
    Status status = open_plan(&as, PAPER, &run);
    double seconds = status == STATUS_OK ? predict_seconds(session_plan(run.session), false) : 0;
    run_close(&run);
    return seconds;
}

/* ------------------------------------------------------------------------------------ both */

static void print_time(const Options *o, int64_t steps, FILE *out)
{
    Measured m;
    char text[CLOCK_ABOUT];
    log_busy("measuring a few steps", "--no-measure leaves that out");
    Status status = measure(o, &m);
    log_busy_end();
    if (status == STATUS_OK)
        fprintf(out, "# time: about %s on this device", clock_about(m.step * (double)steps, text));
    else
        fprintf(out, "# time: not measured on this device (%s)", status_text());
    double there = predict(o, (DType)o->amp);
    if (there > 0)
        fprintf(out, ", at least %s on one H100 by prediction", clock_about(there * (double)steps, text));
    else
        fprintf(out, "\n#   not predicted for an H100: %s", status_text());
    double faster = there > 0 && o->amp == DTYPE_F32 ? predict(o, DTYPE_BF16) : 0;
    if (faster > 0)
        fprintf(out, " (%s with --amp bf16)", clock_about(faster * (double)steps, text));
    fputc('\n', out);
    if (status == STATUS_OK)
        print_measured(o, &m, steps, out);
    fprintf(out, "#   evaluation, and waiting for images, is not in it%s\n",
            there > 0 ? "; predicted from bytes and operations alone" : "");
}

void estimate_print(const Options *options, int64_t images, FILE *out)
{
    Options o = *options;
    int64_t steps = o.epochs * sampler_steps_of(images, o.ranks, o.batch / o.ranks);
    print_memory(&o, out);
    fflush(out); /* the rest takes its time */
    print_time(&o, steps, out);
}
