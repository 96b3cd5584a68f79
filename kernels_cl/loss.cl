/* The row kernels of the losses: one team takes one image's row of logits (and similarities), computes its loss and
 * turns the row into the gradient. Nothing of the size of a row is stored beside the row itself.
 *
 * The functions below do a member's part and return what it found; the kernels join the parts. Which member has
 * an element differs from pass to pass: a reduction or a team_wait lies between a pass that writes and the next. */

/* The member's whole vectors of a row of n, and its elements of what is left. */
#define EACH_VECTOR(j, n) int j = MEMBER * LANES; j + LANES <= (n); j += TEAM * LANES
#define EACH_LEFT(j, n) int j = (n) / LANES * LANES + MEMBER; j < (n); j += TEAM

/* Logits with their prior, divided by the supervised temperature, go to d; returns the largest. */
DEVICE float adjust_logits(GLOBAL const float *logits, GLOBAL const float *prior, GLOBAL float *d, PacoArgs a)
{
    vec most = -INFINITY;
    for (EACH_VECTOR(c, a.L)) {
        vec z = (LOAD(logits + c) + (prior ? LOAD(prior + c) : (vec)(0.0f))) * a.inv_supt;
        STORE(d + c, z);
        most = fmax(most, z);
    }
    float result = lanes_max(most);
    for (EACH_LEFT(c, a.L)) {
        d[c] = (logits[c] + (prior ? prior[c] : 0.0f)) * a.inv_supt;
        result = fmax(result, d[c]);
    }
    return result;
}

DEVICE float row_max(GLOBAL const float *z, int n)
{
    vec most = -INFINITY;
    for (EACH_VECTOR(j, n))
        most = fmax(most, LOAD(z + j));
    float result = lanes_max(most);
    for (EACH_LEFT(j, n))
        result = fmax(result, z[j]);
    return result;
}

/* z becomes exp(z - most); returns the sum. */
DEVICE float row_exp(GLOBAL float *z, int n, float most)
{
    vec sums = 0.0f;
    for (EACH_VECTOR(j, n)) {
        vec e = exp(LOAD(z + j) - most);
        STORE(z + j, e);
        sums += e;
    }
    float sum = lanes_sum(sums);
    for (EACH_LEFT(j, n)) {
        z[j] = exp(z[j] - most);
        sum += z[j];
    }
    return sum;
}

/* Positives among contrast entries with these labels: how many, and the sum of their z - most. */
DEVICE void positives(GLOBAL const float *z, GLOBAL const int *labels, int n, int label, float most, float *count,
               float *sum)
{
    vec counts = 0.0f, sums = 0.0f;
    for (EACH_VECTOR(j, n)) {
        ivec same = LOADI(labels + j) == (ivec)(label);
        counts += select((vec)(0.0f), (vec)(1.0f), same);
        sums += select((vec)(0.0f), LOAD(z + j) - most, same);
    }
    *count += lanes_sum(counts);
    *sum += lanes_sum(sums);
    for (EACH_LEFT(j, n))
        if (labels[j] == label) {
            *count += 1.0f;
            *sum += z[j] - most;
        }
}

/* exp(z - most) becomes scale exp(z - most), less `minus` where the label is the anchor's. */
DEVICE void contrast_gradient(GLOBAL float *z, GLOBAL const int *labels, int n, int label, float scale, float minus)
{
    for (EACH_VECTOR(j, n)) {
        ivec same = LOADI(labels + j) == (ivec)(label);
        STORE(z + j, scale * LOAD(z + j) - select((vec)(0.0f), (vec)(minus), same));
    }
    for (EACH_LEFT(j, n))
        z[j] = scale * z[j] - (labels[j] == label ? minus : 0.0f);
}

/* exp(z - most) of the classes becomes the gradient of the logits; padded lanes become zero. */
DEVICE void logits_gradient(GLOBAL float *d, int label, float scale, float minus, PacoArgs a)
{
    for (int c = MEMBER; c < a.L; c += TEAM)
        d[c] = scale * d[c];
    if (label % TEAM == MEMBER)
        d[label] -= minus;
    for (int c = a.L + MEMBER; c < a.ldl; c += TEAM)
        d[c] = 0.0f;
}

/* z[B][ldz]: similarities to q, k and the queue over the temperature; becomes d(loss)/dz, 0 for the anchor
 * itself. */
TEAM_KERNEL void paco_rows(CREF(float, logits), CREF(float, prior), REF(float, z), CREF(int, labels),
                           CREF(int, queue_labels), CREF(StepState, state), CREF(float, scaler), REF(float, dlogits),
                           REF(float, loss), PacoArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const float, logits);
    PLACE_OR_NULL(const float, prior);
    PLACE(float, z);
    PLACE(const int, labels);
    PLACE(const int, queue_labels);
    PLACE(const StepState, state);
    PLACE_OR_NULL(const float, scaler);
    PLACE(float, dlogits);
    PLACE(float, loss);
    int i = TEAM_ITEM, label = labels[i], F = 2 * a.block + a.M;
    GLOBAL float *f = z + (long)i * a.ldz, *d = dlogits + (long)i * a.ldl;
    float most = 0.0f, own = 0.0f, weight = 0.0f, weighted = 0.0f, part = 0.0f;
    /* The row's largest; its positives; the parts of its partition sum. One reduction serves all three. */
    for (int round = 0; round < 3; round++) {
        float v[2] = {0.0f, 0.0f};
        if (round == 0) {
            v[0] = fmax(fmax(row_max(f, a.B), row_max(f + a.block, a.B)), row_max(f + 2 * a.block, a.M));
            v[0] = fmax(adjust_logits(logits + (long)i * a.ldl, prior, d, a), v[0]);
        } else if (round == 1) {
            v[0] = MEMBER == 0 ? -1.0f : 0.0f; /* the anchor itself is no positive: counted once too often below */
            positives(f, labels, a.B, label, most, &v[0], &v[1]);
            positives(f + a.block, labels, a.B, label, most, &v[0], &v[1]);
            positives(f + 2 * a.block, queue_labels, a.M, label, most, &v[0], &v[1]);
        } else {
            v[0] = row_exp(f, F, most);
            v[1] = row_exp(d, a.L, most);
        }
        team_join(v, round == 0 ? 1 : 2, round == 0, shared);
        if (round == 0) {
            most = v[0];
            own = d[label] - most;
        } else if (round == 1) {
            weight = a.beta + a.alpha * v[0];
            weighted = a.beta * own + a.alpha * v[1];
        } else {
            part = v[1] + a.gamma * v[0] + 1e-12f;
        }
        /* The anchor adds nothing to the sum of positives, and is taken out before the partition sum: it may be larger
         * than all the rest together. */
        if (MEMBER == 0 && round < 2)
            f[i] = round == 0 ? most : -INFINITY;
        for (int j = a.B; MEMBER == 0 && round == 0 && j < a.block; j++) /* nothing lies there */
            f[j] = f[a.block + j] = -INFINITY;
        team_wait();
    }
    float base = a.scale * state->grad_scale / (float)a.B;
    if (scaler)
        base *= scaler[SCALER_SCALE];
    logits_gradient(d, label, base * a.inv_supt / part, base * a.inv_supt * a.beta / weight, a);
    float scale = base * a.gamma / part, minus = base * a.alpha / weight;
    contrast_gradient(f, labels, a.B, label, scale, minus);
    contrast_gradient(f + a.block, labels, a.B, label, scale, minus);
    contrast_gradient(f + 2 * a.block, queue_labels, a.M, label, scale, minus);
    team_wait();
    if (MEMBER == 0) {
        f[i] = 0.0f;
        loss[i] = -a.scale * (weighted / weight - log(part));
    }
}

TEAM_KERNEL void softmax_rows(CREF(float, logits), CREF(float, prior), CREF(int, labels), CREF(StepState, state),
                              CREF(float, scaler), REF(float, dlogits), REF(float, loss), PacoArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const float, logits);
    PLACE_OR_NULL(const float, prior);
    PLACE(const int, labels);
    PLACE(const StepState, state);
    PLACE_OR_NULL(const float, scaler);
    PLACE(float, dlogits);
    PLACE(float, loss);
    int i = TEAM_ITEM, label = labels[i];
    GLOBAL float *d = dlogits + (long)i * a.ldl;
    float most = 0.0f, own = 0.0f, part = 0.0f;
    for (int round = 0; round < 2; round++) {
        float v = round ? row_exp(d, a.L, most) : adjust_logits(logits + (long)i * a.ldl, prior, d, a);
        team_join(&v, 1, round == 0, shared);
        if (round) {
            part = v;
        } else {
            most = v;
            own = d[label] - most;
        }
        team_wait(); /* all have read it */
    }
    float base = state->grad_scale / (float)a.B;
    if (scaler)
        base *= scaler[SCALER_SCALE];
    if (MEMBER == 0)
        loss[i] = log(part) - own;
    logits_gradient(d, label, base / part, base, a);
}

/* loss[turn] = mean of the rows' losses; one team. */
TEAM_KERNEL void mean_of_rank(CREF(float, values), CREF(StepState, state), REF(float, loss), MeanArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const float, values);
    PLACE(const StepState, state);
    PLACE(float, loss);
    float sum = 0.0f;
    for (int i = MEMBER; i < a.n; i += TEAM)
        sum += values[i];
    sum = team_sum(sum, shared, 1);
    if (MEMBER == 0)
        loss[state->turn] = sum / (float)a.n;
}
