/* Operations on images, each equal to Pillow 9.4's (or torchvision's on Pillow) with the same
 * parameters.
 *
 * All work in place: pixels may move to new memory, the old is freed. Images come from image_new
 * (or any malloc of width * height * 3 bytes). Factors are Pillow's: 1 leaves the image as it
 * is. */
#ifndef PACO_IMAGE_IMAGE_OPS_H
#define PACO_IMAGE_IMAGE_OPS_H

#include "base/status.h"
#include "image/image.h"

#include <stdint.h>

typedef enum ImageFilter { IMAGE_NEAREST, IMAGE_BILINEAR, IMAGE_BICUBIC } ImageFilter;

/* geometry.c */
void image_flip(Image *image); /* left and right */
/* The box of the image, zeros where it lies outside. Any box of width, height >= 1. */
void image_crop(Image *image, ImageBox box);
/* size x size at (top, left) of the image within a border of `pad` zeros. */
void image_pad_crop(Image *image, int top, int left, int size, int pad);
/* Zeros in [y - length/2, y + length/2) x [x - length/2, x + length/2), clipped to the image. */
void image_cutout(Image *image, int y, int x, int length);

/* resample.c: antialiased bilinear, Pillow's fixed-point convolution */
void image_resize(Image *image, int width, int height);
/* New image: box of `part`, whose own place in the full image is `at`, resized to width x
 * height. */
Image image_resized_crop(const Image *part, ImageBox at, ImageBox box, int width, int height);
/* torchvision's Resize(size): short side to `size`, the long one to int(size * long / short).
 * STATUS_LIMIT where that is more than IMAGE_MAX_PIXELS; `name` is for the message. */
Status image_resize_short_side(const char *name, Image *image, int size);
/* Resize(resize) and CenterCrop(crop) at once, making only the pixels that stay. */
Image image_resize_center(const Image *part, ImageBox at, ImageBox whole, int resize, int crop);
/* The box of a width x height image that image_resize_center reads. */
ImageBox image_resize_center_box(int width, int height, int resize, int crop);

/* color.c */
void image_brightness(Image *image, double factor);
void image_contrast(Image *image, double factor);
void image_color(Image *image, double factor); /* saturation */
void image_hue(Image *image,
               double factor); /* shift by int(factor * 255) of 256, |factor| <= 0.5 */
void image_grayscale(Image *image);
void image_autocontrast(Image *image);
void image_equalize(Image *image);
void image_invert(Image *image);
void image_solarize(Image *image, double threshold); /* values not below it are inverted */
void image_solarize_add(Image *image, int add, int threshold);
void image_posterize(Image *image, int bits); /* 0 to 8 high bits kept */

/* filter.c */
void image_gaussian_blur(Image *image, double sigma); /* 0 to 1000 */
void image_sharpness(Image *image, double factor);

/* affine.c: output pixel (x, y) comes from matrix (a b c; d e f) times (x, y, 1), in pixel
 * edges; `fill` where that lies outside the image */
void image_affine(Image *image, const double matrix[6], ImageFilter filter, const uint8_t fill[3]);
void image_rotate(Image *image, double degrees, ImageFilter filter, const uint8_t fill[3]);
void image_shear_x(Image *image, double factor, ImageFilter filter, const uint8_t fill[3]);
void image_shear_y(Image *image, double factor, ImageFilter filter, const uint8_t fill[3]);
/* By a fraction of the image's width or height. */
void image_translate_x(Image *image, double fraction, ImageFilter filter, const uint8_t fill[3]);
void image_translate_y(Image *image, double fraction, ImageFilter filter, const uint8_t fill[3]);

#endif
