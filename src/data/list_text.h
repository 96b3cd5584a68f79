/* Text of a list file, whatever wrote it: UTF-8 with or without a byte order mark, or UTF-16 of
 * either order, which spreadsheets save; lines that end in CR alone, as some for the Mac do. */
#ifndef PACO_DATA_LIST_TEXT_H
#define PACO_DATA_LIST_TEXT_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Makes the file's bytes (malloc'd, a zero behind them) UTF-8 without a mark and with LF at the
 * ends of lines (before it may stand CR), in place or in new memory that takes their place. Of
 * UTF-8 nothing else is looked at. STATUS_INPUT where UTF-16 is malformed; the bytes are the
 * caller's in any case. */
Status list_text(const char *path, uint8_t **bytes, size_t *size);

#endif
