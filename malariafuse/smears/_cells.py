"""Cells cropped from one photograph."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from malariafuse._files._resize import resize_image
from malariafuse.smears._outlines import Region


class CellMasks(Sequence[NDArray[np.bool_]]):
    """Masks of cells in their bounding boxes, unpacked on demand.

    ``masks[i]`` is an array of shape (height, width), dtype bool: True inside the cell
    with the box ``boxes[i]``. In memory, a mask takes one bit per pixel.
    """

    def __init__(self, packed: Sequence[tuple[tuple[int, int], bytes]]) -> None:
        self._packed = list(packed)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.bool_]: ...

    @overload
    def __getitem__(self, index: slice) -> "CellMasks": ...

    def __getitem__(self, index: int | slice) -> "NDArray[np.bool_] | CellMasks":
        if isinstance(index, slice):
            return CellMasks(self._packed[index])
        (height, width), bits = self._packed[index]
        flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=height * width)
        return flat.reshape(height, width).astype(bool)

    def packed(self) -> Iterator[tuple[tuple[int, int], bytes]]:
        """Yield the shape and the bits of each mask."""
        yield from self._packed


@dataclass(frozen=True)
class PhotoCells:
    """Cells of one photograph.

    Attributes
    ----------
    images : ndarray of shape (n_cells, height, width, 3), uint8
    table : pandas.DataFrame
        Table of the cropped cells, as returned by `tabulate_cells`.
    masks : CellMasks
    shape : tuple of (int, int)
        Height and width of the photograph.
    n_flagged : int
        Number of flagged regions, cropped or not.
    quality : dict
        As returned by `photo_quality`, without the number of cells.
    digest : bytes
        Hash of the pixels of the photograph.
    """

    images: NDArray[np.uint8]
    table: pd.DataFrame
    masks: CellMasks
    shape: tuple[int, int]
    n_flagged: int
    quality: dict[str, Any]
    digest: bytes


def cut_cells(
    photo: NDArray[np.uint8],
    regions: Sequence[Region],
    *,
    image_size: tuple[int, int],
    keep_aspect: bool,
) -> tuple[NDArray[np.uint8], CellMasks]:
    """Crop each region to its box, black outside the region, and resize it."""
    images = np.empty((len(regions), *image_size, 3), dtype=np.uint8)
    packed = []
    for row, region in enumerate(regions):
        mask = region.mask.view(np.uint8)
        crop = cv2.copyTo(photo[region.box], mask)
        images[row] = resize_image(
            np.asarray(crop, dtype=np.uint8), image_size, keep_aspect=keep_aspect
        )
        packed.append((region.mask.shape, np.packbits(mask).tobytes()))
    return images, CellMasks(packed)
