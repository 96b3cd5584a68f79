"""WebP, GIF, BMP and TIFF of every kind that Pillow writes (and some that it only reads), judged by Pillow.

    image_formats.py make FOLDER              writes the files and sums.txt: NAME WIDTH HEIGHT HASH, as image_sums prints
    image_formats.py check IMAGE_SUMS COUNT   compares the same files, and COUNT damaged ones of the new formats: what is
                                              read must have Pillow's pixels; prints how many of each are read"""
import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings

from PIL import Image, ImageSequence

warnings.simplefilter("ignore")


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def picture(w, h, seed):
    rng = random.Random(seed)
    image = Image.new("RGB", (w, h))
    a, b, c = (rng.randrange(1, 9) for _ in range(3))
    image.putdata([((x * a + y) % 256, (y * b + x * x // 7) % 256, (x * y * c // 5) % 256)
                   for y in range(h) for x in range(w)])
    return image


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_alpha(image):
    image = image.convert("RGBA")
    image.putalpha(image.convert("L").point(lambda v: v * 3 % 256))
    return image


def bmp(width, height, bits, rows, compression=0, palette=b"", masks=b""):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 2835, 2835, len(palette) // 4, 0)
    start = 14 + 40 + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + masks + palette + rows


def files():
    rgb, odd = picture(37, 23, 1), picture(5, 9, 2)
    grey, pal = rgb.convert("L"), rgb.quantize(40)
    for quality in 1, 50, 95:
        yield f"webp_q{quality}.webp", saved(rgb, "WEBP", quality=quality)
    yield "webp_odd.webp", saved(odd, "WEBP", quality=80)
    yield "webp_lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "webp_alpha.webp", saved(with_alpha(rgb), "WEBP", quality=70)
    yield "webp_alpha_lossless.webp", saved(with_alpha(rgb), "WEBP", lossless=True, exact=True)
    yield "webp_animated.webp", saved(rgb, "WEBP", save_all=True, append_images=[picture(37, 23, 3)])
    yield "webp_animated_alpha.webp", saved(with_alpha(odd), "WEBP", save_all=True, append_images=[with_alpha(picture(5, 9, 4))])
    yield "webp_grey.webp", saved(grey, "WEBP", quality=60)
    yield "gif_palette.gif", saved(pal, "GIF")
    yield "gif_plain.gif", saved(pal, "GIF", interlace=0)
    yield "gif_grey.gif", saved(grey, "GIF")
    yield "gif_two.gif", saved(rgb.convert("1"), "GIF")
    yield "gif_transparent.gif", saved(pal, "GIF", transparency=3)
    yield "gif_animated.gif", saved(pal, "GIF", save_all=True, append_images=[picture(37, 23, 5).quantize(9)])
    yield "gif_comment.gif", saved(pal, "GIF", comment=b"x" * 700)
    yield "gif_odd.gif", saved(odd.quantize(3), "GIF")
    base = bytearray(saved(odd.quantize(16), "GIF", interlace=0))
    for name, w, h in ("gif_screen_larger.gif", 12, 14), ("gif_screen_smaller.gif", 2, 3):
        base[6:10] = struct.pack("<HH", w, h)
        yield name, bytes(base)
    at = base.index(b"\x2c")
    base[6:10] = struct.pack("<HH", 20, 20)
    base[at + 1:at + 5] = struct.pack("<HH", 3, 7)
    yield "gif_moved.gif", bytes(base)
    for mode in "1", "L", "P", "RGB":
        yield f"bmp_{mode}.bmp", saved(pal if mode == "P" else rgb.convert(mode), "BMP")
    yield "bmp_rgba.bmp", saved(with_alpha(rgb), "BMP")
    rng = random.Random(9)
    yield "bmp_16.bmp", bmp(7, 5, 16, rng.randbytes(16 * 5))
    yield "bmp_565.bmp", bmp(7, 5, 16, rng.randbytes(16 * 5), 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    yield "bmp_32.bmp", bmp(7, 5, 32, rng.randbytes(28 * 5))
    yield "bmp_32_masks.bmp", bmp(7, 5, 32, rng.randbytes(28 * 5), 3, masks=struct.pack("<III", 0xFF0000, 0xFF00, 0xFF))
    yield "bmp_32_shifted.bmp", bmp(7, 5, 32, rng.randbytes(28 * 5), 3, masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00))
    yield "bmp_top_down.bmp", bmp(7, -5, 24, rng.randbytes(24 * 5))
    yield "bmp_4.bmp", bmp(7, 5, 4, rng.randbytes(4 * 5), palette=rng.randbytes(64))
    yield "bmp_few_colours.bmp", bmp(7, 5, 8, rng.randbytes(8 * 5), palette=rng.randbytes(40))
    rle = b"\x05\x01\x02\x02\x00\x00" b"\x00\x05\x01\x02\x03\x04\x05\x00\x02\x07\x00\x00" b"\x03\x04\x00\x02\x01\x00\x03\x05\x00\x00" b"\x07\x09\x00\x00" b"\x07\x03\x00\x01"
    yield "bmp_rle8.bmp", bmp(7, 5, 8, rle, 1, palette=rng.randbytes(1024))
    yield "bmp_cut_end.bmp", saved(rgb, "BMP")[:-1]
    for compression in None, "tiff_lzw", "tiff_deflate", "packbits", "tiff_adobe_deflate":
        yield f"tiff_rgb_{compression}.tif", saved(rgb, "TIFF", compression=compression)
    yield "tiff_jpeg.tif", saved(rgb, "TIFF", compression="jpeg", quality=90)
    for mode in "1", "L", "P", "LA", "CMYK":
        yield f"tiff_{mode}.tif", saved(pal if mode == "P" else rgb.convert(mode), "TIFF")
    yield "tiff_rgba.tif", saved(with_alpha(rgb), "TIFF", compression="tiff_lzw")
    yield "tiff_g4.tif", saved(rgb.convert("1"), "TIFF", compression="group4")
    yield "tiff_16.tif", saved(Image.frombytes("I;16", (6, 4), bytes(range(48))), "TIFF")
    yield "tiff_cmyk_lzw.tif", saved(rgb.convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield "tiff_pages.tif", saved(rgb, "TIFF", save_all=True, append_images=[odd])


def judge(data):
    try:
        image = Image.open(io.BytesIO(data))
        image = image.convert("RGB")
        return f"{image.width} {image.height} {fnv(image.tobytes()):016x}"
    except Exception as error:
        return f"refused {error!r}"


def sums(program, paths):
    return subprocess.run([program], input="\n".join(paths) + "\n", stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout.split("\n")[:-1]


def make(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "sums.txt"), "w") as out:
        for name, data in files():
            open(os.path.join(folder, name), "wb").write(data)
            out.write(f"{name} {judge(data)}\n")


def check(program, count):
    rng = random.Random(7)
    originals = list(files())
    cases, wrong = list(originals), 0
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            name, data = rng.choice(originals)
            data = bytearray(data)
            for _ in range(rng.choice([1, 1, 2, 5])):
                data[rng.randrange(min(len(data), 80) if rng.random() < 0.5 else len(data))] ^= 1 << rng.randrange(8)
            if rng.random() < 0.2:
                del data[rng.randrange(len(data)):]
            cases.append((f"damaged_{i}_{name}", bytes(data)))
        paths = [os.path.join(folder, name) for name, _ in cases]
        for path, (_, data) in zip(paths, cases):
            open(path, "wb").write(data)
        have = sums(program, paths)
        if len(have) != len(cases):
            print(f"{len(have)} answers to {len(cases)} files")
            return 1
        counts = dict(both=0, neither=0, ours=0, pillows=0)
        for (name, data), got in zip(cases, have):
            want = judge(data)
            us, them = not got.startswith("refused"), not want.startswith("refused")
            counts["both" if us and them else "ours" if us else "pillows" if them else "neither"] += 1
            # What libtiff leaves of damaged data is not defined.
            same = got == want or (name.startswith("damaged") and ("tiff" in name or us != them))
            if not same and (us or them):
                wrong += 1
                print(f"{name}: Pillow: {want[:100]}; paco: {got[:150]}")
        print(f"{len(cases)} files: read by both {counts['both']}, by neither {counts['neither']}, by paco alone "
              f"{counts['ours']}, by Pillow alone {counts['pillows']}; {wrong} wrong")
    return wrong > 0


sys.exit(make(sys.argv[2]) if sys.argv[1] == "make" else check(sys.argv[2], int(sys.argv[3])))
