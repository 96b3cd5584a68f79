/* GIF through giflib: the first frame on its screen, as Pillow shows it. What the frame does not
 * cover is its transparent colour where it has one, else colour 0; colours beyond the palette are
 * grey. */
#include "image/decode_job.h"

#include "base/arena.h"

#include <gif_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct Gif {
    DecodeJob *job;
    size_t at;
    GifFileType *file;
    uint8_t *screen; /* [height][width] colour numbers */
    int width, height;
    int transparent; /* colour number, -1: none */
} Gif;

static int on_read(GifFileType *file, GifByteType *to, int count)
{
    Gif *gif = file->UserData;
    size_t left = gif->job->size - gif->at, n = (size_t)count < left ? (size_t)count : left;
    memcpy(to, gif->job->bytes + gif->at, n);
    gif->at += n;
    return (int)n;
}

static Status damaged(const Gif *gif)
{
    const char *text = GifErrorString(gif->file->Error);
    return status_fail(STATUS_INPUT, "%s: GIF, byte %zu: %s", gif->job->name, gif->at,
                       text ? text : "damaged");
}

/* Transparency of the frame that follows. */
static Status take_extension(Gif *gif)
{
    int code;
    GifByteType *block;
    if (DGifGetExtension(gif->file, &code, &block) == GIF_ERROR)
        return damaged(gif);
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4)
        gif->transparent = block[1] & 1 ? block[4] : -1;
    while (block)
        if (DGifGetExtensionNext(gif->file, &block) == GIF_ERROR)
            return damaged(gif);
    return STATUS_OK;
}

/* Finds the first frame. */
static Status find_frame(Gif *gif)
{
    GifRecordType type;
    for (;;) {
        if (DGifGetRecordType(gif->file, &type) == GIF_ERROR)
            return damaged(gif);
        if (type == EXTENSION_RECORD_TYPE)
            TRY(take_extension(gif));
        else if (type == IMAGE_DESC_RECORD_TYPE)
            return DGifGetImageDesc(gif->file) == GIF_ERROR ? damaged(gif) : STATUS_OK;
        else if (type == TERMINATE_RECORD_TYPE)
            return status_fail(STATUS_INPUT, "%s: GIF: no frame", gif->job->name);
    }
}

/* Row k of an interlaced frame, in the order of the file. */
static int interlaced_row(int k, int height)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (int pass = 0; pass < 4; pass++) {
        int rows = (height - first[pass] + step[pass] - 1) / step[pass];
        if (k < rows)
            return first[pass] + k * step[pass];
        k -= rows > 0 ? rows : 0;
    }
    return height - 1;
}

static Status read_frame(Gif *gif)
{
    const GifImageDesc *d = &gif->file->Image;
    for (int k = 0; k < d->Height; k++) {
        int y = d->Top + (d->Interlace ? interlaced_row(k, d->Height) : k);
        uint8_t *row = gif->screen + (size_t)y * (size_t)gif->width + d->Left;
        if (DGifGetLine(gif->file, row, d->Width) == GIF_ERROR)
            return damaged(gif);
    }
    return STATUS_OK;
}

static void map_colours(const Gif *gif)
{
    const ColorMapObject *map =
        gif->file->Image.ColorMap ? gif->file->Image.ColorMap : gif->file->SColorMap;
    uint8_t table[256][3];
    for (int i = 0; i < 256; i++) {
        bool given = map && i < map->ColorCount;
        table[i][0] = given ? map->Colors[i].Red : (uint8_t)i;
        table[i][1] = given ? map->Colors[i].Green : (uint8_t)i;
        table[i][2] = given ? map->Colors[i].Blue : (uint8_t)i;
    }
    for (size_t i = 0; i < (size_t)gif->width * (size_t)gif->height; i++)
        memcpy(gif->job->image.pixels + 3 * i, table[gif->screen[i]], 3);
}

static Status decode(Gif *gif)
{
    DecodeJob *job = gif->job;
    TRY(find_frame(gif));
    const GifImageDesc *d = &gif->file->Image;
    /* A frame beyond the screen makes it larger. */
    gif->width = d->Left + d->Width > gif->file->SWidth ? d->Left + d->Width : gif->file->SWidth;
    gif->height = d->Top + d->Height > gif->file->SHeight ? d->Top + d->Height : gif->file->SHeight;
    TRY(decode_header(job, (uint32_t)gif->width, (uint32_t)gif->height));
    job->box = job->whole;
    size_t pixels = (size_t)gif->width * (size_t)gif->height;
    TRY(decode_memory(job, pixels));
    gif->screen = mem_alloc(pixels);
    memset(gif->screen, gif->transparent >= 0 ? gif->transparent : 0, pixels);
    TRY(read_frame(gif));
    map_colours(gif);
    return STATUS_OK;
}

Status decode_gif(DecodeJob *job)
{
    int error = 0;
    Gif gif = {.job = job, .transparent = -1};
    gif.file = DGifOpen(&gif, on_read, &error);
    if (!gif.file)
        return status_fail(STATUS_INPUT, "%s: GIF: %s", job->name,
                           GifErrorString(error) ? GifErrorString(error) : "damaged header");
    Status status = decode(&gif);
    free(gif.screen);
    DGifCloseFile(gif.file, &error);
    return status;
}
