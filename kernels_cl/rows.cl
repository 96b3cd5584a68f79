/* Kernels over rows of features [rows][stride], a team per row; lanes beyond D are zero. */

/* db[c] = sum over rows of dy[n][c]; a team per span of columns. */
TEAM_KERNEL void column_sum(CREF(float, dy), REF(float, db), ColumnArgs a)
{
    TEAM_MEMORY(vec, 2, shared);
    PLACE(const float, dy);
    PLACE(float, db);
    int c = TEAM_ITEM * SPAN + MEMBER_VECTOR * LANES;
    vec sum = 0.0f;
    for (int n = MEMBER_PIXEL; c < a.stride && n < a.N; n += TEAM_PIXELS)
        sum += LOAD(dy + (long)n * a.stride + c);
    sum = team_sum_vec(sum, shared, VECTORS);
    if (MEMBER < VECTORS && c < a.stride)
        store_some(db + c, sum, a.C - c);
}

/* y = x / max(|x|, 1e-12) */
TEAM_KERNEL void l2norm(CREF(float, x), REF(float, y), REF(float, norm), RowArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const float, x);
    PLACE(float, y);
    PLACE(float, norm);
    long row = (long)TEAM_ITEM * a.stride;
    vec squares = 0.0f;
    for (int d = MEMBER * LANES; d < a.stride; d += TEAM * LANES)
        squares = fma(LOAD(x + row + d), LOAD(x + row + d), squares);
    float length = sqrt(team_sum(lanes_sum(squares), shared, 1));
    if (length < 1e-12f) /* not fmax: not-a-number stays */
        length = 1e-12f;
    if (MEMBER == 0)
        norm[TEAM_ITEM] = length;
    ROLLED for (int d = MEMBER * LANES; d < a.stride; d += TEAM * LANES)
        STORE(y + row + d, LOAD(x + row + d) / length);
}

/* dx = (dy - y (y . dy)) / norm */
TEAM_KERNEL void l2norm_grad(CREF(float, dy), CREF(float, y), CREF(float, norm), REF(float, dx), RowArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const float, dy);
    PLACE(const float, y);
    PLACE(const float, norm);
    PLACE(float, dx);
    long row = (long)TEAM_ITEM * a.stride;
    vec dots = 0.0f;
    for (int d = MEMBER * LANES; d < a.stride; d += TEAM * LANES)
        dots = fma(LOAD(dy + row + d), LOAD(y + row + d), dots);
    float dot_all = team_sum(lanes_sum(dots), shared, 1), length = norm[TEAM_ITEM];
    for (int d = MEMBER * LANES; d < a.stride; d += TEAM * LANES)
        STORE(dx + row + d, (LOAD(dy + row + d) - LOAD(y + row + d) * dot_all) / length);
}

/* How many classes come before the label: higher logits, and equal ones of lower classes; then the same with the prior
 * added to all logits. Counts of members are joined as floats: exact, there are less than 2^24 classes. */
TEAM_KERNEL void label_place(CREF(float, logits), CREF(int, labels), CREF(float, prior), REF(int, place), RowArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const float, logits);
    PLACE(const int, labels);
    PLACE_OR_NULL(const float, prior);
    PLACE(int, place);
    GLOBAL const float *row = logits + (long)TEAM_ITEM * a.stride;
    int label = labels[TEAM_ITEM];
    float own = row[label], own_prior = prior ? prior[label] : 0.0f;
    float before[2] = {0.0f, 0.0f};
    for (int c = MEMBER; c < a.D; c += TEAM) {
        float with = prior ? row[c] + prior[c] : row[c];
        before[0] += row[c] > own || (row[c] == own && c < label);
        before[1] += with > own + own_prior || (with == own + own_prior && c < label);
    }
    team_join(before, 2, false, shared);
    if (MEMBER != 0)
        return;
    place[2 * TEAM_ITEM] = (int)before[0];
    place[2 * TEAM_ITEM + 1] = (int)before[1];
}

/* One team for all rows. */
TEAM_KERNEL void count_places(CREF(int, place), CREF(StepState, state), REF(int, counts), RowArgs a)
{
    TEAM_MEMORY(float, 2, shared);
    PLACE(const int, place);
    PLACE(const StepState, state);
    PLACE(int, counts);
    float first[2] = {0.0f, 0.0f}; /* without the prior, and with it */
    for (int i = MEMBER; i < a.rows; i += TEAM) {
        first[0] += place[2 * i] < 1;
        first[1] += place[2 * i + 1] < 1;
    }
    team_join(first, 2, false, shared);
    if (MEMBER != 0)
        return;
    counts[2 * state->turn] = (int)first[0];
    counts[2 * state->turn + 1] = (int)first[1];
}

/* Row i of this rank. */
TEAM_KERNEL void take_rank(CREF(int, all), CREF(StepState, state), REF(int, own), CopyRowsArgs a)
{
    PLACE(const int, all);
    PLACE(const StepState, state);
    PLACE(int, own);
    long from = ((long)state->rank * a.rows + TEAM_ITEM) * a.width, to = (long)TEAM_ITEM * a.width;
    for (int i = MEMBER; i < a.width; i += TEAM)
        own[to + i] = all[from + i];
}

/* The other way round. */
TEAM_KERNEL void store_rank(CREF(int, own), CREF(StepState, state), REF(int, all), CopyRowsArgs a)
{
    PLACE(const int, own);
    PLACE(const StepState, state);
    PLACE(int, all);
    long from = (long)TEAM_ITEM * a.width, to = ((long)state->rank * a.rows + TEAM_ITEM) * a.width;
    for (int i = MEMBER; i < a.width; i += TEAM)
        all[to + i] = own[from + i];
}

/* Row i of all ranks goes back to where it came from before the shuffle. */
TEAM_KERNEL void unshuffle(CREF(int, encoded), CREF(int, order), REF(int, keys), CopyRowsArgs a)
{
    PLACE(const int, encoded);
    PLACE(const int, order);
    PLACE(int, keys);
    long from = (long)TEAM_ITEM * a.width, to = (long)order[TEAM_ITEM] * a.width;
    for (int i = MEMBER; i < a.width; i += TEAM)
        keys[to + i] = encoded[from + i];
}

/* A ring shorter than the keys keeps the last ones. */
TEAM_KERNEL void queue_push(CREF(int, keys), CREF(int, labels), CREF(StepState, state), REF(int, queue),
                            REF(int, queue_labels), PushArgs a)
{
    PLACE(const int, keys);
    PLACE(const int, labels);
    PLACE(const StepState, state);
    PLACE(int, queue);
    PLACE(int, queue_labels);
    int i = TEAM_ITEM, to = (state->queue_head + i) % a.M;
    if (i + a.M < a.rows)
        return;
    for (int d = MEMBER; d < a.width; d += TEAM)
        queue[(long)to * a.width + d] = keys[(long)i * a.width + d];
    if (MEMBER == 0)
        queue_labels[to] = labels[i];
}
