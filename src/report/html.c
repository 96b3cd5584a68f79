/* HTML: escaping and data URIs. */
#include "report/html.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "image/encode_png.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void put(FILE *out, const char *text)
{
    size_t room = 4 * strlen(text) + 5;
    char *clean = utf8_clean(mem_alloc(room), room, text);
    for (const char *c = clean; *c; c++)
        switch (*c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default: fputc(*c, out);
        }
    free(clean);
}

static void put_format(FILE *out, const char *format, va_list args)
{
    char *text = mem_vprintf(format, args);
    put(out, text);
    free(text);
}

void html_text(FILE *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_format(out, format, args);
    va_end(args);
}

void html_missing(FILE *out, const char *format, ...)
{
    va_list args;
    fputs("<p class=\"missing\">", out);
    va_start(args, format);
    put_format(out, format, args);
    va_end(args);
    fputs("</p>\n", out);
}

static void put_base64(FILE *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t word = (uint32_t)bytes[i] << 16 | (n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (n > 2 ? bytes[i + 2] : 0);
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63],
                        digits[word & 63]};
        for (size_t k = n + 1; k < 4; k++)
            four[k] = '=';
        fwrite(four, 1, 4, out);
    }
}

void html_image_data(FILE *out, const Image *image)
{
    uint8_t *bytes;
    size_t size;
    if (image_encode_png(image, &bytes, &size) != STATUS_OK)
        return;
    fputs("data:image/png;base64,", out);
    put_base64(out, bytes, size);
    free(bytes);
}

void html_image(FILE *out, const Image *image, int zoom, const char *style, const char *alt)
{
    fprintf(out, "<img class=\"%s\" width=\"%d\" height=\"%d\" alt=\"", style, zoom * image->width,
            zoom * image->height);
    put(out, alt);
    fputs("\" src=\"", out);
    html_image_data(out, image);
    fputs("\">", out);
}
