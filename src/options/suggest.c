/* Names are compared word by word, and each word by its edit distance: letters inserted, deleted,
 * replaced, or two neighbours swapped. A word more or less, or a short name with another letter, is
 * no typing error but another thing: --lr-scheduler is no --lr, --warmup-lr no --warmup-epochs. */
#include "options/suggest.h"

#include <stdbool.h>
#include <string.h>

enum { LONGEST = 63, SHORT_NAME = 3, FAR = 1000 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Of `m` letters and `n`. */
static int edits(const char *a, int m, const char *b, int n, int replaced)
{
    int row[3][LONGEST + 1];
    if (m > LONGEST || n > LONGEST)
        return FAR;
    for (int j = 0; j <= n; j++)
        row[0][j] = j;
    for (int i = 1; i <= m; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1,
                           last[j - 1] + (a[i - 1] != b[j - 1]) * replaced);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return row[m % 3][n];
}

/* What stands between words. */
static bool joint(char c)
{
    return c == '-' || c == '_';
}

static int word_length(const char *name)
{
    int n = 0;
    while (name[n] && !joint(name[n]))
        n++;
    return n;
}

/* Edits of two words, FAR where they are more than typing errors: none in a word of one letter, one
 * in a short one, else a third of the letters. */
static int word_edits(const char *a, int m, const char *b, int n, int replaced)
{
    int longer = m > n ? m : n;
    int most = longer < 2 ? 0 : longer < 6 ? 1 : longer / 3;
    int count = edits(a, m, b, n, replaced);
    return count <= most ? count : FAR;
}

/* Whether only joints are different. */
static bool same_letters(const char *a, const char *b)
{
    for (;;) {
        while (joint(*a))
            a++;
        while (joint(*b))
            b++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
        a++, b++;
    }
}

static int name_edits(const char *a, const char *b)
{
    int sum = 0, replaced = least((int)strlen(a), (int)strlen(b)) <= SHORT_NAME ? 2 : 1;
    if (same_letters(a, b))
        return 0;
    for (;;) {
        int m = word_length(a), n = word_length(b);
        sum += word_edits(a, m, b, n, replaced);
        a += m, b += n;
        if (!*a || !*b)
            return *a || *b ? FAR : least(sum, FAR);
        a++, b++;
    }
}

Suggest suggest_begin(const char *wanted)
{
    return (Suggest){.wanted = wanted, .distance = FAR};
}

void suggest_try(Suggest *suggest, const char *name)
{
    int distance = name_edits(suggest->wanted, name);
    if (distance < suggest->distance) {
        suggest->distance = distance;
        suggest->best = name;
    }
}
