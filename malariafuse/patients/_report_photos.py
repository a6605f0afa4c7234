"""Photographs of a report: downscaled, with outlines and crops of cells."""

from base64 import b64encode
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._files._read import ImageReadError
from malariafuse.patients._result import PatientResult

_QUALITY, _CROP_QUALITY = 82, 90
_CROP_SIDE = 192  # maximum in pixels
_SURROUNDING = 1.5  # side of a crop, in sides of the bounding box of the cell
_ROUGHNESS = 0.012  # tolerance of an outline, in sides of the bounding box of the cell
_LIKELY = 0.5


@dataclass(frozen=True)
class Outline:
    """Outline of a region in its photograph.

    Attributes
    ----------
    row : int
        Row of the region in the table of cells.
    path : str
        Outline as the attribute `d` of an SVG path, in pixels of the photograph.
    kind : {"counted", "likely", "cell", "flagged"}
    words : str
        Probability, or the reason why the region is not counted.
    probability : float
        NaN if the region is not counted.
    """

    row: int
    path: str
    kind: str
    words: str
    probability: float


@dataclass(frozen=True)
class Crop:
    """Crop of a cell and its surroundings."""

    image: str  # as a data URI
    x: int
    y: int
    width: int
    height: int
    outline: Outline


@dataclass(frozen=True)
class Photo:
    """Photograph of a report. Sizes are those before downscaling."""

    image: str
    height: int
    width: int
    outlines: list[Outline]
    crops: dict[int, Crop]


def draw_photos(
    result: PatientResult, names: list[str], rows: Set[int], max_side: int
) -> Iterator[Photo]:
    """Yield the photographs in order, with crops of the cells in `rows`.

    Raises
    ------
    ImageReadError
        If a photograph can no longer be read.
    ValueError
        If a photograph has changed since it was read.
    """
    cells = list(result.cells.itertuples(index=False))
    for place in range(len(result.sources)):
        photo = _read(result, place, names[place])
        height, width = photo.shape[:2]
        known = result.photos.iloc[place]
        if (height, width) != (known["height"], known["width"]):
            raise ValueError(
                f"The photograph {names[place]} has {height} x {width} pixels: "
                f"expected {known['height']} x {known['width']}, the size at which its "
                "cells were segmented. Read the smear again."
            )
        outlines, crops = [], {}
        here = [row for row, cell in enumerate(cells) if cell.photo == place]
        for row, line in zip(here, result.outlines(here), strict=True):
            outline = _outline(row, cells[row], line)
            outlines.append(outline)
            if row in rows:
                crops[row] = _crop(photo, cells[row], outline)
        # The most relevant outlines are drawn last, on top.
        outlines.sort(key=lambda each: _ORDER.index(each.kind))
        yield Photo(_small(photo, max_side), height, width, outlines, crops)


_ORDER = ("flagged", "cell", "likely", "counted")


def _read(result: PatientResult, place: int, name: str) -> NDArray[np.uint8]:
    try:
        return result.read_photo(place)
    except ImageReadError as error:
        (reason,) = error.refused.values()
        source = result.sources[place]
        shown = source if isinstance(source, str) else name
        raise ImageReadError({shown: reason}) from error


def _small(photo: NDArray[np.uint8], max_side: int) -> str:
    scale = max_side / max(photo.shape[:2])
    if scale < 1:
        photo = _resized(photo, scale)
    return _jpeg(photo, _QUALITY)


def _resized(photo: NDArray[np.uint8], scale: float) -> Any:
    size = [max(1, round(side * scale)) for side in photo.shape[1::-1]]
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def _jpeg(photo: NDArray[np.uint8], quality: int) -> str:
    bgr = cv2.cvtColor(photo, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return f"data:image/jpeg;base64,{b64encode(data.tobytes()).decode()}"


def _outline(row: int, cell: Any, line: NDArray[np.int64]) -> Outline:
    probability = float(cell.probability)
    if cell.flag:
        kind, words = "flagged", f"left out: {cell.flag}"
    else:
        kind = "likely" if probability >= _LIKELY else "cell"
        words = f"probability {shown_probability(probability)}"
        if cell.counted:
            kind, words = "counted", f"{words}, counted"
    return Outline(row, _path(line), kind, words, probability)


def shown_probability(probability: float) -> str:
    """Return a probability with three decimals, but not 1 if it is below 1."""
    return "> 0.999" if 0.9995 <= probability < 1 else f"{probability:.3f}"


def _path(line: NDArray[np.int64]) -> str:
    """Return a simplified outline as an SVG path."""
    tolerance = max(0.5, _ROUGHNESS * np.ptp(line, axis=0).max())
    points = cv2.approxPolyDP(line.astype(np.int32), tolerance, True)[:, 0].tolist()
    return "M" + " ".join(f"{x} {y}" for x, y in points) + "Z"


def _crop(photo: NDArray[np.uint8], cell: Any, outline: Outline) -> Crop:
    x, y, width, height = map(int, (cell.x, cell.y, cell.width, cell.height))
    side = round(_SURROUNDING * max(width, height))
    left, across = _window(x + width // 2, side, photo.shape[1])
    top, down = _window(y + height // 2, side, photo.shape[0])
    pixels = np.ascontiguousarray(photo[top : top + down, left : left + across])
    scale = _CROP_SIDE / max(pixels.shape[:2])
    if scale < 1:
        pixels = _resized(pixels, scale)
    return Crop(_jpeg(pixels, _CROP_QUALITY), left, top, across, down, outline)


def _window(middle: int, side: int, whole: int) -> tuple[int, int]:
    """Return the start and the length of a window of `side` pixels within `whole`."""
    side = min(side, whole)
    return min(max(0, middle - side // 2), whole - side), side
