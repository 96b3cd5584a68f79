/* Kernels over rows of features [rows][stride]; lanes beyond D are zero. */

/* db[c] = sum over rows of dy[n][c] */
KERNEL void column_sum(CREF(float, dy), REF(float, db), ColumnArgs a)
{
    PLACE(const float, dy);
    PLACE(float, db);
    int c = ITEM(0) * LANES, live = a.C - c;
    if (live <= 0)
        return;
    vec sum = 0.0f;
    for (int n = 0; n < a.N; n++)
        sum += LOAD(dy + (long)n * a.stride + c);
    store_some(db + c, sum, live);
}

/* y = x / max(|x|, 1e-12) */
KERNEL void l2norm(CREF(float, x), REF(float, y), REF(float, norm), RowArgs a)
{
    PLACE(const float, x);
    PLACE(float, y);
    PLACE(float, norm);
    long row = (long)ITEM(0) * a.stride;
    vec squares = 0.0f;
    for (int d = 0; d < a.stride; d += LANES)
        squares = fma(LOAD(x + row + d), LOAD(x + row + d), squares);
    float length = fmax(sqrt(lanes_sum(squares)), 1e-12f);
    norm[ITEM(0)] = length;
    for (int d = 0; d < a.stride; d += LANES)
        STORE(y + row + d, LOAD(x + row + d) / length);
}

/* dx = (dy - y (y . dy)) / norm */
KERNEL void l2norm_grad(CREF(float, dy), CREF(float, y), CREF(float, norm), REF(float, dx), RowArgs a)
{
    PLACE(const float, dy);
    PLACE(const float, y);
    PLACE(const float, norm);
    PLACE(float, dx);
    long row = (long)ITEM(0) * a.stride;
    vec dots = 0.0f;
    for (int d = 0; d < a.stride; d += LANES)
        dots = fma(LOAD(dy + row + d), LOAD(y + row + d), dots);
    float dot_all = lanes_sum(dots), length = norm[ITEM(0)];
    for (int d = 0; d < a.stride; d += LANES)
        STORE(dx + row + d, (LOAD(dy + row + d) - LOAD(y + row + d) * dot_all) / length);
}

/* How many classes come before the label: higher logits, and equal ones of lower classes. */
KERNEL void label_place(CREF(float, logits), CREF(int, labels), REF(int, place), RowArgs a)
{
    PLACE(const float, logits);
    PLACE(const int, labels);
    PLACE(int, place);
    GLOBAL const float *row = logits + (long)ITEM(0) * a.stride;
    int label = labels[ITEM(0)], before = 0;
    float own = row[label];
    for (int c = 0; c < a.D; c++)
        before += row[c] > own || (row[c] == own && c < label);
    place[ITEM(0)] = before;
}

KERNEL void count_places(CREF(int, place), CREF(StepState, state), REF(int, counts), RowArgs a)
{
    PLACE(const int, place);
    PLACE(const StepState, state);
    PLACE(int, counts);
    int top1 = 0, top5 = 0;
    for (int i = 0; i < a.rows; i++) {
        top1 += place[i] < 1;
        top5 += place[i] < 5;
    }
    counts[2 * state->rank] = top1;
    counts[2 * state->rank + 1] = top5;
}

/* Row i of this rank. */
KERNEL void take_rank(CREF(int, all), CREF(StepState, state), REF(int, own), CopyRowsArgs a)
{
    PLACE(const int, all);
    PLACE(const StepState, state);
    PLACE(int, own);
    long from = ((long)state->rank * a.rows + ITEM(0)) * a.width, to = (long)ITEM(0) * a.width;
    for (int i = 0; i < a.width; i++)
        own[to + i] = all[from + i];
}

/* Row i of this rank goes back to where it came from before the shuffle. */
KERNEL void store_keys(CREF(int, k), CREF(int, order), CREF(StepState, state), REF(int, keys), CopyRowsArgs a)
{
    PLACE(const int, k);
    PLACE(const int, order);
    PLACE(const StepState, state);
    PLACE(int, keys);
    long from = (long)ITEM(0) * a.width, to = (long)order[state->rank * a.rows + ITEM(0)] * a.width;
    for (int i = 0; i < a.width; i++)
        keys[to + i] = k[from + i];
}

/* A ring shorter than the keys keeps the last ones. */
KERNEL void queue_push(CREF(int, keys), CREF(int, labels), CREF(StepState, state), REF(int, queue),
                       REF(int, queue_labels), PushArgs a)
{
    PLACE(const int, keys);
    PLACE(const int, labels);
    PLACE(const StepState, state);
    PLACE(int, queue);
    PLACE(int, queue_labels);
    int i = ITEM(0), to = (state->queue_head + i) % a.M;
    if (i + a.M < a.rows)
        return;
    for (int d = 0; d < a.width; d++)
        queue[(long)to * a.width + d] = keys[(long)i * a.width + d];
    queue_labels[to] = labels[i];
}
