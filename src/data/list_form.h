/* The form of a list file: which characters separate the columns, and which of them are path and
 * label. Decided by its first lines, so that every line is read alike. */
#ifndef PACO_DATA_LIST_FORM_H
#define PACO_DATA_LIST_FORM_H

#include "base/status.h"

#include <stdbool.h>

typedef struct ListForm {
    char separator; /* ',', ';' or tab, fields may be quoted (RFC 4180); ' ': words, and the path
                       may have spaces */
    bool header;    /* the first line names the columns */
    bool names;     /* labels are names of classes */
    int path, label; /* columns, from 0; -1: the header names none; not of words */
} ListForm;

/* The form of a file whose first lines these are (zero-terminated, not blank); `second` is NULL
 * where there is but one. */
ListForm list_form(const char *first, const char *second);
/* Cuts a line of that form, in place. Returns what is wrong with it, or NULL; only of a form that
 * has both columns. */
const char *list_form_cut(const ListForm *form, char *line, char **path, char **label);
/* Whether a word is a whole number with or without sign, or one with nothing but zeros behind its
 * point ("3.000000", as MXNet writes labels). */
bool list_form_number(const char *word);
/* What a line should look like, for messages: "path label", "path,label". */
const char *list_form_text(const ListForm *form);

#endif
