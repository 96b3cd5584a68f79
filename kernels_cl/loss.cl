/* The row kernels of the losses: one work-item takes one image's row of logits (and similarities), computes its
 * loss and turns the row into the gradient. Nothing of the size of a row is stored beside the row itself. */

/* Logits with their prior, divided by the supervised temperature, go to d; returns the largest. */
float adjust_logits(GLOBAL const float *logits, GLOBAL const float *prior, GLOBAL float *d, PacoArgs a)
{
    vec most = -INFINITY;
    int c = 0;
    for (; c + LANES <= a.L; c += LANES) {
        vec z = (LOAD(logits + c) + (prior ? LOAD(prior + c) : (vec)(0.0f))) * a.inv_supt;
        STORE(d + c, z);
        most = fmax(most, z);
    }
    float result = lanes_max(most);
    for (; c < a.L; c++) {
        d[c] = (logits[c] + (prior ? prior[c] : 0.0f)) * a.inv_supt;
        result = fmax(result, d[c]);
    }
    return result;
}

float row_max(GLOBAL const float *z, int n)
{
    vec most = -INFINITY;
    int j = 0;
    for (; j + LANES <= n; j += LANES)
        most = fmax(most, LOAD(z + j));
    float result = lanes_max(most);
    for (; j < n; j++)
        result = fmax(result, z[j]);
    return result;
}

/* z becomes exp(z - most); returns the sum. */
float row_exp(GLOBAL float *z, int n, float most)
{
    vec sums = 0.0f;
    int j = 0;
    for (; j + LANES <= n; j += LANES) {
        vec e = exp(LOAD(z + j) - most);
        STORE(z + j, e);
        sums += e;
    }
    float sum = lanes_sum(sums);
    for (; j < n; j++) {
        z[j] = exp(z[j] - most);
        sum += z[j];
    }
    return sum;
}

/* Positives among contrast entries with these labels: how many, and the sum of their z - most. */
void positives(GLOBAL const float *z, GLOBAL const int *labels, int n, int label, float most, float *count,
               float *sum)
{
    vec counts = 0.0f, sums = 0.0f;
    int j = 0;
    for (; j + LANES <= n; j += LANES) {
        ivec same = LOADI(labels + j) == (ivec)(label);
        counts += select((vec)(0.0f), (vec)(1.0f), same);
        sums += select((vec)(0.0f), LOAD(z + j) - most, same);
    }
    *count += lanes_sum(counts);
    *sum += lanes_sum(sums);
    for (; j < n; j++)
        if (labels[j] == label) {
            *count += 1.0f;
            *sum += z[j] - most;
        }
}

/* exp(z - most) becomes scale exp(z - most), less `minus` where the label is the anchor's. */
void contrast_gradient(GLOBAL float *z, GLOBAL const int *labels, int n, int label, float scale, float minus)
{
    int j = 0;
    for (; j + LANES <= n; j += LANES) {
        ivec same = LOADI(labels + j) == (ivec)(label);
        STORE(z + j, scale * LOAD(z + j) - select((vec)(0.0f), (vec)(minus), same));
    }
    for (; j < n; j++)
        z[j] = scale * z[j] - (labels[j] == label ? minus : 0.0f);
}

/* exp(z - most) of the classes becomes the gradient of the logits; padded lanes become zero. */
void logits_gradient(GLOBAL float *d, int label, float scale, float minus, PacoArgs a)
{
    for (int c = 0; c < a.L; c++)
        d[c] = scale * d[c];
    d[label] -= minus;
    for (int c = a.L; c < a.ldl; c++)
        d[c] = 0.0f;
}

/* z[B][ldz]: similarities to q, k and the queue over the temperature; becomes d(loss)/dz, 0 for the anchor
 * itself. */
KERNEL void paco_rows(CREF(float, logits), CREF(float, prior), REF(float, z), CREF(int, labels),
                      CREF(int, queue_labels), CREF(StepState, state), REF(float, dlogits), REF(float, loss),
                      PacoArgs a)
{
    PLACE(const float, logits);
    PLACE_OR_NULL(const float, prior);
    PLACE(float, z);
    PLACE(const int, labels);
    PLACE(const int, queue_labels);
    PLACE(const StepState, state);
    PLACE(float, dlogits);
    PLACE(float, loss);
    int i = ITEM(0), label = labels[i], F = 2 * a.B + a.M;
    GLOBAL float *f = z + (long)i * a.ldz, *d = dlogits + (long)i * a.ldl;
    float most = fmax(adjust_logits(logits + (long)i * a.ldl, prior, d, a), row_max(f, F));
    float same = -1.0f, same_sum = 0.0f; /* the anchor itself is no positive: counted once too often below */
    f[i] = most;                         /* and adds nothing to the sum */
    positives(f, labels, a.B, label, most, &same, &same_sum);
    positives(f + a.B, labels, a.B, label, most, &same, &same_sum);
    positives(f + 2 * a.B, queue_labels, a.M, label, most, &same, &same_sum);
    float weight = a.beta + a.alpha * same, weighted = a.beta * (d[label] - most) + a.alpha * same_sum;
    f[i] = -INFINITY; /* taken out before the sum: it may be larger than all the rest together */
    float contrasts = row_exp(f, F, most);
    float part = row_exp(d, a.L, most) + a.gamma * contrasts + 1e-12f;
    loss[i] = -a.scale * (weighted / weight - log(part));
    float base = a.scale * state->grad_scale / (float)a.B;
    logits_gradient(d, label, base * a.inv_supt / part, base * a.inv_supt * a.beta / weight, a);
    float scale = base * a.gamma / part, minus = base * a.alpha / weight;
    contrast_gradient(f, labels, a.B, label, scale, minus);
    contrast_gradient(f + a.B, labels, a.B, label, scale, minus);
    contrast_gradient(f + 2 * a.B, queue_labels, a.M, label, scale, minus);
    f[i] = 0.0f;
}

KERNEL void softmax_rows(CREF(float, logits), CREF(float, prior), CREF(int, labels), CREF(StepState, state),
                         REF(float, dlogits), REF(float, loss), PacoArgs a)
{
    PLACE(const float, logits);
    PLACE_OR_NULL(const float, prior);
    PLACE(const int, labels);
    PLACE(const StepState, state);
    PLACE(float, dlogits);
    PLACE(float, loss);
    int i = ITEM(0), label = labels[i];
    GLOBAL float *d = dlogits + (long)i * a.ldl;
    float most = adjust_logits(logits + (long)i * a.ldl, prior, d, a), own = d[label] - most;
    float part = row_exp(d, a.L, most), base = state->grad_scale / (float)a.B;
    loss[i] = log(part) - own;
    logits_gradient(d, label, base / part, base, a);
}

/* loss[rank] = mean of the rows' losses */
KERNEL void mean_of_rank(CREF(float, values), CREF(StepState, state), REF(float, loss), MeanArgs a)
{
    PLACE(const float, values);
    PLACE(const StepState, state);
    PLACE(float, loss);
    float sum = 0.0f;
    for (int i = 0; i < a.n; i++)
        sum += values[i];
    loss[state->rank] = sum / (float)a.n;
}
