"""Crops on black of photographs that were taken or stored worse.

All functions take images of shape (n, height, width, 3), uint8, RGB, black outside the
cell, and return images of the same shape and dtype, black where they were black: plasma
is put around the cell, the photograph is corrupted, and the cell is masked again. So
blur mixes the cell with plasma, not with black.

Kinds and severities, 1 to 5, are those of ImageNet-C [1]_, whose images have 224 pixels
a side: blur is wider or narrower as the crop is. Darkness is brightness with the
opposite sign, as MedMNIST-C has it [2]_. ImageNet-C has no error of the white balance,
which [3]_ makes for photographs: here red is multiplied, and blue divided, by 1.05 for
each degree of severity, and the other way around if it is cool. Its scale is that of
the crop: a box that is too wide leaves the cell 0.95, 0.9, ..., 0.75 of its size.

References
----------
.. [1] D. Hendrycks and T. Dietterich, "Benchmarking neural network robustness to common
   corruptions and perturbations", ICLR 2019, https://arxiv.org/abs/1903.12261; the
   numbers stand in ImageNet-C/create_c/make_imagenet_c.py of
   https://github.com/hendrycks/robustness
.. [2] F. Di Salvo, S. Doerrich and C. Ledig, "MedMNIST-C", 2024,
   https://arxiv.org/abs/2406.17536
.. [3] M. Afifi and M. Brown, "What else can fool deep learning? Addressing color
   constancy errors on deep neural network performance", ICCV 2019
"""

import cv2
import numpy as np
from _masks import masks_of, with_plasma

_BLUR = (1, 2, 3, 4, 6)  # standard deviation in pixels of an image of _SIDE
_SIDE = 224
_JPEG = (25, 18, 15, 10, 7)  # quality
_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation, of 1
_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the value of HSV, of 1
_GAIN = 1.05


def _blur(image, severity, random):
    sigma = _BLUR[severity - 1] * np.sqrt(image.shape[0] * image.shape[1]) / _SIDE
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _jpeg(image, severity, random):
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG[severity - 1]]
    # OpenCV's order of channels is B, G, R.
    _, stored = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), quality)
    return cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1]


def _noise(image, severity, random):
    noise = random.standard_normal(image.shape, dtype=np.float32)
    return image + np.float32(255 * _NOISE[severity - 1]) * noise


def _brighter(image, by):
    brightest = np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
    value = np.maximum(brightest, 1)[..., None] / np.float32(255)
    # Hue and saturation stay if all channels have the same factor.
    return image * (np.clip(value + np.float32(by), 0, 1) / value)


def _brightness(image, severity, random):
    return _brighter(image, _BRIGHTNESS[severity - 1])


def _darkness(image, severity, random):
    return _brighter(image, -_BRIGHTNESS[severity - 1])


def _warm(image, severity, random):
    return image * np.float32([_GAIN**severity, 1, _GAIN**-severity])


def _cool(image, severity, random):
    return image * np.float32([_GAIN**-severity, 1, _GAIN**severity])


_KINDS = {
    "blur": _blur,
    "jpeg": _jpeg,
    "noise": _noise,
    "brightness": _brightness,
    "darkness": _darkness,
    "warm": _warm,
    "cool": _cool,
}
KINDS = (*_KINDS, "wide", "tight")


def corrupted(images, kind, severity, random):
    """Corrupt cells by one of `KINDS`, as strongly as `severity`, 1 to 5, says."""
    if kind == "wide":
        return scaled(images, 1 - 0.05 * severity)
    if kind == "tight":
        return scaled(images, 1 + 0.05 * severity)
    masks = masks_of(images)
    photographs = with_plasma(images, masks, np.True_, random)
    result = [_KINDS[kind](image, severity, random) for image in photographs]
    return np.clip(np.round(result), 0, 255).astype(np.uint8) * masks[..., None]


def scaled(images, factor):
    """Show all cells larger or smaller, about the middle of the crop, on black."""
    height, width = images.shape[1:3]
    # Coordinates are those of the middle of pixels.
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.hstack([np.eye(2) * factor, (middle * (1 - factor))[:, None]])
    return np.array(
        [
            cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
            for image in images
        ]
    )
