/* The CIFAR ResNets' shortcut (option A): every other pixel, channels shifted into the middle of twice as many.
 * The shift need not be a multiple of 16 lanes, so lanes are moved one by one. A team takes some rows of one plane
 * that is written. Items: teams along the rows; blocks of channels; images. */

/* The member's lanes of a row of `count` pixels; on GPUs neighbours take neighbouring lanes. */
#define EACH_LANE(pixel, lane, count)                                                  \
    for (int pixel = MEMBER / 16; pixel < (count); pixel += (TEAM + 15) / 16)          \
        for (int lane = MEMBER % 16; lane < 16; lane += TEAM < 16 ? TEAM : 16)

TEAM_KERNEL void shortcut_a(CREF(float, x), REF(float, y), ShortcutArgs a)
{
    PLACE(const float, x);
    PLACE(float, y);
    int kb = ITEM(1), n = ITEM(2);
    for (SHARE(p, a.P, TEAM_ITEM, TEAM_ITEMS))
        EACH_LANE(q, lane, a.Q) {
            int c = kb * 16 + lane - a.shift;
            long from = (((long)n * a.CB + c / 16) * a.H * a.W + 2L * p * a.W + 2 * q) * 16 + c % 16;
            y[(((long)n * a.KB + kb) * a.P * a.Q + (long)p * a.Q + q) * 16 + lane] =
                c >= 0 && c < a.C ? x[from] : 0.0f;
        }
}

TEAM_KERNEL void shortcut_a_grad(CREF(float, dy), REF(float, dx), ShortcutArgs a)
{
    PLACE(const float, dy);
    PLACE(float, dx);
    int cb = ITEM(1), n = ITEM(2);
    for (SHARE(h, a.H, TEAM_ITEM, TEAM_ITEMS))
        EACH_LANE(w, lane, a.W) {
            int k = cb * 16 + lane + a.shift;
            bool kept = h % 2 == 0 && w % 2 == 0 && cb * 16 + lane < a.C;
            long from = (((long)n * a.KB + k / 16) * a.P * a.Q + (long)(h / 2) * a.Q + w / 2) * 16 + k % 16;
            dx[(((long)n * a.CB + cb) * a.H * a.W + (long)h * a.W + w) * 16 + lane] = kept ? dy[from] : 0.0f;
        }
}
