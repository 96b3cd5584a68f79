/* HTML: text from outside and pictures within a page. Nothing written here asks for a network. */
#ifndef PACO_REPORT_HTML_H
#define PACO_REPORT_HTML_H

#include "image/image.h"

#include <stdio.h>

/* Formatted text as an element's content or within double quotes as an attribute: & < > " ' are
 * escaped, and controls and bytes that are no UTF-8 arrive as \xNN. */
void html_text(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An element img with the pixels as a PNG in a data URI, `zoom` times as large. `style` names
 * classes of the page's style; `alt` is escaped. */
void html_image(FILE *out, const Image *image, int zoom, const char *style, const char *alt);
/* The data URI alone, for an attribute; empty where there is no memory for it. */
void html_image_data(FILE *out, const Image *image);
/* A paragraph that says in the place of something why it is not there; escaped. */
void html_missing(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
