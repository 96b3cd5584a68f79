/* Tables: plain text, CSV, LaTeX (booktabs), HTML. */
#include "report/table.h"

#include "base/utf8.h"
#include "report/html.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

Table table_new(Arena *arena, int rows, int columns)
{
    size_t n = (size_t)columns;
    return (Table){.arena = arena,
                   .columns = columns,
                   .rows = rows,
                   .head = arena_alloc(arena, n * sizeof(char *)),
                   .cells = arena_alloc(arena, (size_t)rows * n * sizeof(char *)),
                   .number = arena_alloc(arena, n * sizeof(bool))};
}

/* Text without controls, in the arena. */
static const char *clean(Arena *arena, const char *text)
{
    size_t room = 4 * strlen(text) + 5;
    return utf8_clean(arena_alloc(arena, room), room, text);
}

void table_set(Table *t, int row, int column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    t->cells[row * t->columns + column] = clean(t->arena, text);
    free(text);
}

void table_head(Table *t, int column, bool number, const char *text)
{
    t->head[column] = clean(t->arena, text);
    t->number[column] = number;
}

void table_narrow(Table *t, int columns)
{
    for (int row = 1; row < t->rows; row++) /* to the left: read before it is written */
        memmove(t->cells + row * columns, t->cells + row * t->columns,
                (size_t)columns * sizeof *t->cells);
    t->columns = columns;
}

/* Row -1 is the head. */
static const char *cell(const Table *t, int row, int column)
{
    const char *text = row < 0 ? t->head[column] : t->cells[row * t->columns + column];
    return text ? text : "";
}

static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static int column_width(const Table *t, int column)
{
    int width = 0;
    for (int row = -1; row < t->rows; row++) {
        int n = characters(cell(t, row, column));
        width = n > width ? n : width;
    }
    return width;
}

void table_plain(const Table *t, FILE *out)
{
    for (int row = -1; row < t->rows; row++)
        for (int c = 0; c < t->columns; c++) {
            const char *text = cell(t, row, c);
            bool last = c + 1 == t->columns;
            int blanks = column_width(t, c) - characters(text);
            fprintf(out, "%*s%s%*s%s", t->number[c] ? blanks : 0, "", text,
                    t->number[c] || last ? 0 : blanks, "", last ? "\n" : "  ");
        }
}

static void put_csv(FILE *out, const char *text)
{
    bool formula = *text && strchr("=+-@", *text) && !strchr("0123456789.", text[1]);
    bool quoted = formula || strpbrk(text, ",\"") != NULL;
    if (quoted)
        fputc('"', out);
    if (formula)
        fputc('\'', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (quoted)
        fputc('"', out);
}

void table_csv(const Table *t, FILE *out)
{
    for (int row = -1; row < t->rows; row++)
        for (int c = 0; c < t->columns; c++) {
            put_csv(out, cell(t, row, c));
            fputc(c + 1 == t->columns ? '\n' : ',', out);
        }
}

static void put_latex(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '\\': fputs("\\textbackslash{}", out); break;
        case '~': fputs("\\textasciitilde{}", out); break;
        case '^': fputs("\\textasciicircum{}", out); break;
        case '&':
        case '%':
        case '$':
        case '#':
        case '_':
        case '{':
        case '}':
            fputc('\\', out);
            fputc(*text, out);
            break;
        case '\xc2': /* the sign between a mean and its deviation is not in every encoding */
            if (text[1] == '\xb1') {
                fputs("$\\pm$", out);
                text++;
                break;
            }
            fputc(*text, out);
            break;
        default: fputc(*text, out);
        }
}

void table_latex(const Table *t, FILE *out)
{
    fputs("% \\usepackage{booktabs}\n\\begin{tabular}{", out);
    for (int c = 0; c < t->columns; c++)
        fputc(t->number[c] ? 'r' : 'l', out);
    fputs("}\n\\toprule\n", out);
    for (int row = -1; row < t->rows; row++) {
        for (int c = 0; c < t->columns; c++) {
            put_latex(out, cell(t, row, c));
            fputs(c + 1 == t->columns ? " \\\\\n" : " & ", out);
        }
        if (row < 0)
            fputs("\\midrule\n", out);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", out);
}

enum { WHOLE = 20 }; /* shorter cells stay on one line */

void table_html(const Table *t, FILE *out)
{
    fputs("<div class=\"wide\"><table>\n", out);
    for (int row = -1; row < t->rows; row++) {
        fputs("<tr>", out);
        for (int c = 0; c < t->columns; c++) {
            const char *tag = row < 0 ? "th" : "td", *text = cell(t, row, c);
            bool whole = characters(text) <= WHOLE;
            fprintf(out, "<%s class=\"%s\">", tag,
                    t->number[c] ? "n"
                    : row < 0    ? ""
                    : whole      ? "s"
                                 : "l");
            html_text(out, "%s", text);
            fprintf(out, "</%s>", tag);
        }
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
}
