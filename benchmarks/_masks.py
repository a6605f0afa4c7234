"""Crops on black as other segmentations would have cut them.

All functions take images of shape (n, height, width, 3), uint8, RGB, black outside the
cell, and return images of the same shape and dtype. Lengths are in diameters of the
cell, which is that of the disk of the same area.
"""

import cv2
import numpy as np

from malariafuse._cell import find_cell

# Light through the plasma around a cell relative to the median of the cell, in R, G and
# B: medians over 73 cells of four photographs of which the NIH crops were cut. The
# plasma is the brightest fifth of a frame around the crop.
PLASMA = (1.10, 1.50, 1.08)
# Standard deviation of a pixel of plasma there, shades wider than 3 pixels taken away.
PLASMA_NOISE = 1.5


def masks_of(images):
    """Return where the cells are, (n, height, width), bool, holes filled."""
    masks = np.zeros(images.shape[:3], dtype=bool)
    for mask, image in zip(masks, images, strict=True):
        cell = find_cell(image.astype(np.float32))
        if cell is not None:
            mask[:] = cell.mask
    return masks


def with_plasma(images, masks, shown, random):
    """Return the cells, with plasma on the pixels `shown` beyond their `masks`."""
    result = images * masks[..., None]
    shown = np.broadcast_to(shown, masks.shape)
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if not mask.any():
            continue
        empty = shown[i] & ~mask
        # Some of the pixels have nearly the same median as all.
        plasma = np.median(image[mask][::8], axis=0) * PLASMA
        noise = random.standard_normal((int(empty.sum()), 3), dtype=np.float32)
        pixels = plasma.astype(np.float32) + np.float32(PLASMA_NOISE) * noise
        result[i][empty] = np.clip(np.round(pixels), 0, 255)
    return result


def natural(images, random):
    """Put plasma wherever an image shows no cell."""
    return with_plasma(images, masks_of(images), np.True_, random)


def eroded(images, share, random=None):
    """Cut `share` of the diameter off all around the cell; nothing is random here."""
    result = images.copy()
    for image, mask in zip(result, masks_of(images), strict=True):
        image[_depth(mask) < share * _diameter(mask)] = 0
    return result


def dilated(images, share, random):
    """Leave `share` of the diameter of plasma all around the cell."""
    masks = masks_of(images)
    near = [_depth(~mask, outside=1) <= share * _diameter(mask) for mask in masks]
    return with_plasma(images, masks, np.array(near), random)


def elliptic(images, random):
    """Cut the cell along the ellipse that has the center and moments of its mask.

    What the ellipse shows beyond the cell is plasma.
    """
    masks = masks_of(images)
    inside = np.array([ellipse_like(mask) for mask in masks])
    return with_plasma(images, masks, inside, random) * inside[..., None]


def ellipse_like(mask):
    """Return the ellipse with the first and second moments of a mask."""
    points = np.argwhere(mask)
    if len(points) < 3:
        return mask.copy()
    center = points.mean(axis=0)
    precision = np.linalg.inv(np.cov(points, rowvar=False) + np.eye(2) / 12)
    offsets = np.indices(mask.shape).reshape(2, -1).T - center
    # The variance along an axis of an ellipse is a quarter of its half length squared.
    within = np.einsum("ij,jk,ik->i", offsets, precision, offsets) <= 4
    return within.reshape(mask.shape)


def _diameter(mask):
    return 2 * np.sqrt(mask.sum() / np.pi)


def _depth(mask, outside=0):
    """Return how far the pixels of `mask` are from its outline.

    Pixels beyond the frame are `outside` of the mask (0) or in it (1).
    """
    framed = np.pad(mask.astype(np.uint8), 1, constant_values=outside)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The outline lies halfway between the middles of pixels.
    return distance[1:-1, 1:-1] - 0.5
