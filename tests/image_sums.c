/* For test_image_damage.sh: of each file named on standard input, a line with width, height and a hash of the decoded
 * pixels, or "refused" and the text. Decodes whole, and a part in the middle, which must be the same pixels. */
#include "base/fnv.h"
#include "image/decode.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static ImageBox middle(int width, int height, void *context)
{
    (void)context;
    return (ImageBox){width / 3, height / 3, (width + 2) / 3, (height + 2) / 3};
}

/* Whether a part's pixels are those of the whole. */
static bool same_part(const Image *whole, const Image *part, const ImageBox *box)
{
    for (int y = 0; y < box->height; y++)
        if (memcmp(part->pixels + (size_t)y * (size_t)box->width * 3,
                   whole->pixels + ((size_t)(box->top + y) * (size_t)whole->width + (size_t)box->left) * 3,
                   (size_t)box->width * 3) != 0)
            return false;
    return true;
}

static void look(const char *path, const uint8_t *bytes, size_t size)
{
    Image whole, part;
    ImageBox box, all;
    Status status = image_decode(path, bytes, size, &whole);
    if (status != STATUS_OK) {
        printf("refused %d %s\n", status, status_text());
        return;
    }
    status = image_decode_part(path, bytes, size, middle, NULL, &part, &box, &all);
    bool same = status == STATUS_OK && same_part(&whole, &part, &box);
    uint64_t hash = fnv_add(FNV_BEGIN, whole.pixels, (size_t)whole.width * (size_t)whole.height * 3);
    printf("%d %d %016llx%s\n", whole.width, whole.height, (unsigned long long)hash, same ? "" : " another part");
    image_free(&whole);
    if (status == STATUS_OK)
        image_free(&part);
}

int main(void)
{
    static uint8_t bytes[16 << 20];
    char path[4096];
    while (fgets(path, sizeof path, stdin)) {
        path[strcspn(path, "\n")] = 0;
        FILE *file = fopen(path, "rb");
        size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
        if (file)
            fclose(file);
        look(path, bytes, size);
    }
    return 0;
}
