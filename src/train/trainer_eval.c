/* Evaluation between epochs: on the validation images, then on the test images. */
#include "train/trainer_parts.h"

#include "train/replicas.h"
#include "train/stop.h"

#include <math.h>

static Status evaluate_on(Trainer *t, Judged *judged)
{
    if (!judged->data)
        return STATUS_OK;
    metrics_free(judged->metrics);
    judged->metrics = metrics_new(t->train->classes, t->train->counts);
    Evaluation e = {.run = &t->run,
                    .data = judged->data,
                    .views = t->views,
                    .threads = t->options->threads,
                    .on_corrupt = (OnCorrupt)t->options->on_corrupt,
                    .stop = &stop_asked};
    return evaluate(&e, judged->metrics, &judged->result);
}

Status trainer_evaluate(Trainer *t)
{
    TRY(replicas_share_statistics(&t->run));
    Status status = evaluate_on(t, &t->val);
    if (status == STATUS_OK)
        status = evaluate_on(t, &t->test);
    if (status == STATUS_NAN)
        return status_prefix(
            status,
            "training: after epoch %d the network gives no numbers (lr %g; a lower --lr or a "
            "longer --warmup may help)",
            t->at.epoch + 1, run_lr(&t->run, &t->at));
    TRY(status);
    if (t->test.data)
        t->result->last = metrics_summary(t->test.metrics);
    return STATUS_OK;
}

void judged_close(Judged *judged)
{
    metrics_free(judged->metrics);
    dataset_close(judged->data);
}

EpochRow trainer_row(int epoch)
{
    EpochRow row = {.epoch = epoch};
#define X(field, tag) row.field = NAN;
    EPOCH_ROW_FIELDS(X)
#undef X
    return row;
}

void trainer_put_figures(const Trainer *t, EpochRow *row)
{
    if (t->test.data) {
        MetricsSummary m = metrics_summary(t->test.metrics);
        row->test_loss = t->test.result.loss;
        row->top1 = m.top1, row->top5 = m.top5, row->class_mean = m.class_mean;
        row->many = m.many, row->medium = m.medium, row->few = m.few;
    }
    if (t->val.data) {
        MetricsSummary m = metrics_summary(t->val.metrics);
        row->val_loss = t->val.result.loss;
        row->val_top1 = m.top1, row->val_top5 = m.top5, row->val_class_mean = m.class_mean;
        row->val_many = m.many, row->val_medium = m.medium, row->val_few = m.few;
    }
}
