/* The page: one HTML file with everything in it, for one run or several. */
#ifndef PACO_REPORT_PAGE_H
#define PACO_REPORT_PAGE_H

#include "report/runs.h"

/* Writes the page; the file appears whole or not at all. STATUS_IO when it cannot be written. */
Status page_write(Runs *runs, const char *path);

/* What the page looks like, as CSS. */
extern const char page_style[];

#endif
