/* Edit distance: letters inserted, deleted, replaced, or two neighbours swapped. */
#include "options/suggest.h"

#include <string.h>

enum { LONGEST = 63 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int edits(const char *a, const char *b)
{
    int m = (int)strlen(a), n = (int)strlen(b), row[3][LONGEST + 1];
    if (m > LONGEST || n > LONGEST)
        return LONGEST;
    for (int j = 0; j <= n; j++)
        row[0][j] = j;
    for (int i = 1; i <= m; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return row[m % 3][n];
}

Suggest suggest_begin(const char *wanted)
{
    int length = (int)strlen(wanted);
    return (Suggest){.wanted = wanted, .distance = length / 3 + 2};
}

void suggest_try(Suggest *suggest, const char *name)
{
    int distance = edits(suggest->wanted, name);
    if (distance < suggest->distance) {
        suggest->distance = distance;
        suggest->best = name;
    }
}
