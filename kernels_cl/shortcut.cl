/* The CIFAR ResNets' shortcut (option A): every other pixel, channels shifted into the middle of twice as many.
 * The shift need not be a multiple of a vector, so lanes are moved one by one. A team takes some rows of one plane
 * that is written. Items: teams along the rows; spans of channels; images. */

/* The member's lanes of a row of `count` pixels; on GPUs neighbours take neighbouring lanes. */
#define EACH_LANE(pixel, lane, count)                                                        \
    for (int pixel = MEMBER / SPAN; pixel < (count); pixel += (TEAM + SPAN - 1) / SPAN)      \
        for (int lane = MEMBER % SPAN; lane < SPAN; lane += TEAM < SPAN ? TEAM : SPAN)

TEAM_KERNEL void shortcut_a(CREF(act, x), REF(act, y), ShortcutArgs a)
{
    PLACE(const act, x);
    PLACE(act, y);
    int first = ITEM(1) * SPAN, n = ITEM(2);
    for (SHARE(p, a.P, TEAM_ITEM, TEAM_ITEMS))
        EACH_LANE(q, lane, a.Q) {
            int k = first + lane, c = k - a.shift;
            if (k >= a.small_width)
                continue;
            GLOBAL const act *from = x + PLACE_OF(n, c, a.H * a.W, a.width) + (2L * p * a.W + 2 * q) * PIXEL(a.width);
            GLOBAL act *to = y + PLACE_OF(n, k, a.P * a.Q, a.small_width) + ((long)p * a.Q + q) * PIXEL(a.small_width);
            STORE1(to, c >= 0 && c < a.C ? LOAD1(from) : 0.0f);
        }
}

TEAM_KERNEL void shortcut_a_grad(CREF(act, dy), REF(act, dx), ShortcutArgs a)
{
    PLACE(const act, dy);
    PLACE(act, dx);
    int first = ITEM(1) * SPAN, n = ITEM(2);
    for (SHARE(h, a.H, TEAM_ITEM, TEAM_ITEMS))
        EACH_LANE(w, lane, a.W) {
            int c = first + lane, k = c + a.shift;
            bool kept = h % 2 == 0 && w % 2 == 0 && c < a.C;
            if (c >= a.width)
                continue;
            GLOBAL const act *from =
                dy + PLACE_OF(n, k, a.P * a.Q, a.small_width) + ((long)(h / 2) * a.Q + w / 2) * PIXEL(a.small_width);
            GLOBAL act *to = dx + PLACE_OF(n, c, a.H * a.W, a.width) + ((long)h * a.W + w) * PIXEL(a.width);
            STORE1(to, kept ? LOAD1(from) : 0.0f);
        }
}
