/* Tables of text: one content, and a writer for each form that people take away. */
#ifndef PACO_REPORT_TABLE_H
#define PACO_REPORT_TABLE_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct Table {
    Arena *arena;       /* holds the texts */
    int columns, rows;  /* the head is no row */
    const char **head;  /* [columns] */
    const char **cells; /* [rows][columns]; NULL is empty */
    bool *number;       /* [columns]: set flush right */
} Table;

Table table_new(Arena *arena, int rows, int columns);
void table_set(Table *table, int row, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void table_head(Table *table, int column, bool number, const char *text);
/* Drops the columns from this one on. */
void table_narrow(Table *table, int columns);

/* The forms: X(name, word): table_NAME writes it, WORD is what --format calls it. Whatever the text
 * of a cell is, it stays text: escaped, quoted, and without controls. */
#define TABLE_FORMS(X) X(plain, "plain") X(csv, "csv") X(latex, "latex")

#define X(name, word) void table_##name(const Table *table, FILE *out);
TABLE_FORMS(X)
#undef X
void table_html(const Table *table, FILE *out);

#endif
