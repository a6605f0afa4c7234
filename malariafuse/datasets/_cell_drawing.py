"""Rendering of a stained red blood cell: stain, shape, parasites and debris."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Coordinates are in radii of the cell, with its center at 0. Sharp structures are drawn
# on a canvas of the size of a photographed cell, so that downscaling gives smooth
# edges. Smooth structures are drawn on a smaller canvas.
_SHARP_SIZE, _SOFT_SIZE = 128, 48
_FRACTION_BITS = 4  # OpenCV draws at fractions of 1 / 2**_FRACTION_BITS pixel
_OUTLINE_POINTS = 64
_ANGLE = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)

Canvas = NDArray[np.uint8]
Field = NDArray[np.float32]
Points = NDArray[np.float64]
Random = np.random.RandomState

# Channels of a canvas, each in [0, 255]: azure stain (chromatin, platelets), brown
# matter (dirt, pigment), and absence of the cell (vacuole, bubble).
Matter = tuple[float, float, float]
_BROWN_ABSORBANCE = np.array([0.9, 1.15, 1.15], dtype=np.float32)


@dataclass(frozen=True)
class Slide:
    """Properties shared by all cells of one smear under one microscope."""

    plasma: Field  # RGB of the light outside the cell, in [0, 1]
    cell: Field  # absorbance of a full layer of hemoglobin in R, G and B
    azure: Field  # absorbance of a full layer of azure stain in R, G and B
    blur: float  # standard deviation in pixels of the large canvas
    noise: float  # standard deviation, for light in [0, 1]
    crenation: float  # amplitude of the short waves of the outline, in radii
    debris: float  # mean number of distracting objects in a cell


def draw_slides(n_slides: int, rng: Random) -> list[Slide]:
    """Draw the slides of one patient: the same stain in slightly different light."""
    # Smears range from salmon to lilac, and some are overstained.
    lilac = rng.beta(0.7, 0.7)
    color = (1 - lilac) * np.array([216, 158, 149]) + lilac * np.array([170, 174, 196])
    plasma = np.array([236, 224, 214])
    cell = np.log(plasma / color) + rng.exponential(0.03) * np.array([0.5, 2.0, 0.8])
    azure = np.array([0.3 + 0.4 * lilac, 1.4, 0.35]) + rng.uniform(-0.1, 0.1, 3)
    azure *= rng.uniform(0.7, 1.1)
    crenation = rng.exponential(0.003)
    slides = []
    for _ in range(n_slides):
        light = rng.uniform(0.94, 1.03) * rng.uniform(0.98, 1.02, 3) / 255
        slides.append(
            Slide(
                plasma=(plasma * light).astype(np.float32),
                cell=cell.astype(np.float32),
                azure=azure.astype(np.float32),
                blur=rng.uniform(0.6, 1.8),
                noise=rng.uniform(0.002, 0.006),
                crenation=crenation,
                debris=rng.uniform(0.7, 2.0),
            )
        )
    return slides


def draw_cell(
    slide: Slide, parasitized: bool, image_size: tuple[int, int], rng: Random
) -> NDArray[np.uint8]:
    """Return a cell on black as an RGB image of `image_size` (height, width)."""
    light, coverage = draw_light(slide, parasitized, image_size, rng)
    return to_image(light * coverage[..., None])


def to_image(light: Field) -> NDArray[np.uint8]:
    """Return light in [0, 1] as an image."""
    return np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)


def draw_light(
    slide: Slide, parasitized: bool, image_size: tuple[int, int], rng: Random
) -> tuple[Field, Field]:
    """Return the light transmitted by one cell, and the coverage by the cell."""
    mask = _draw_mask(slide.crenation, rng)
    soft = np.zeros((_SOFT_SIZE, _SOFT_SIZE, 3), dtype=np.uint8)
    sharp = np.zeros((_SHARP_SIZE, _SHARP_SIZE, 3), dtype=np.uint8)
    for _ in range(rng.poisson(slide.debris)):
        _DEBRIS[rng.choice(len(_DEBRIS), p=_DEBRIS_SHARES)](soft, sharp, rng)
    if parasitized:
        for _ in range(rng.choice([1, 2, 3], p=[0.75, 0.2, 0.05])):
            _PARASITES[rng.choice(len(_PARASITES), p=_PARASITE_SHARES)](sharp, rng)

    matter = np.maximum(
        _resize(cv2.GaussianBlur(soft, (0, 0), 1.2), image_size),
        _resize(cv2.GaussianBlur(sharp, (0, 0), slide.blur), image_size),
    )
    coverage = _resize(mask, image_size)
    layer = _draw_layer(coverage, rng) * (1 - matter[..., 2])
    density = (
        layer[..., None] * slide.cell
        + matter[..., :1] * slide.azure
        + matter[..., 1:2] * _BROWN_ABSORBANCE
    )
    light = slide.plasma * cv2.exp(-density)
    # Most camera noise is correlated between the three channels.
    light += slide.noise * rng.standard_normal((*image_size, 1)).astype(np.float32)
    light += slide.noise / 2 * rng.standard_normal(light.shape).astype(np.float32)
    return light, coverage


def _resize(canvas: NDArray[Any], image_size: tuple[int, int]) -> Field:
    resized = cv2.resize(canvas, image_size[::-1], interpolation=cv2.INTER_AREA)
    return resized / np.float32(255)


def _blob(
    center: Points | float,
    radius: float,
    rng: Random,
    *,
    squeeze: float = 1.0,
    waves: int = 4,
    depth: float = 0.06,
) -> Points:
    """Return the outline of an irregular ellipse of random orientation."""
    order = np.arange(2, 2 + waves)[:, None]
    phase = rng.uniform(0, 2 * np.pi, (waves, 1))
    size = depth * rng.standard_normal((waves, 1))
    wave = np.maximum(1 + np.sum(size * np.cos(order * _ANGLE + phase), axis=0), 0.2)
    turn = rng.uniform(0, np.pi)
    along = radius * wave * np.cos(_ANGLE - turn)
    across = radius * squeeze * wave * np.sin(_ANGLE - turn)
    cos, sin = np.cos(turn), np.sin(turn)
    return center + np.stack(
        [along * cos - across * sin, along * sin + across * cos], 1
    )


def _to_pixels(points: Points, canvas: Canvas) -> NDArray[np.int32]:
    pixels = (points + 1) / 2 * (len(canvas) - 1)
    return np.round(pixels * 2**_FRACTION_BITS).astype(np.int32)


def _fill(canvas: Canvas, points: Points, matter: Matter | float) -> None:
    pixels = _to_pixels(points, canvas)
    cv2.fillPoly(canvas, [pixels], matter, cv2.LINE_AA, _FRACTION_BITS)


def _stroke(
    canvas: Canvas, points: Points, matter: Matter, width: float, closed: bool
) -> None:
    thickness = max(1, round(width * len(canvas) / 2))
    pixels = _to_pixels(points, canvas)
    cv2.polylines(
        canvas, [pixels], closed, matter, thickness, cv2.LINE_AA, _FRACTION_BITS
    )


def _spot(rng: Random, nearest: float, farthest: float) -> Points:
    """Return a random point between two distances from the center of the cell."""
    angle = rng.uniform(0, 2 * np.pi)
    distance = np.sqrt(rng.uniform(nearest**2, farthest**2))
    return np.array([distance * np.cos(angle), distance * np.sin(angle)])


def _draw_mask(crenation: float, rng: Random) -> Canvas:
    """Return the cell as a mask that touches all four sides of the canvas."""
    points = _blob(0.0, 1.0, rng, squeeze=rng.uniform(0.7, 1.0), depth=0.04)
    # Crenated cells have short waves in addition to the long ones.
    crenated = _blob(0.0, 1.0, rng, waves=18, depth=crenation)
    points *= np.hypot(crenated[:, 0], crenated[:, 1])[:, None]
    low, high = points.min(axis=0), points.max(axis=0)
    mask = np.zeros((_SHARP_SIZE, _SHARP_SIZE), dtype=np.uint8)
    _fill(mask, 2 * (points - low) / (high - low) - 1, 255)
    if rng.uniform() < 0.12:  # a neighbor was removed together with a piece of the cell
        _fill(
            mask, _blob(_spot(rng, 1.0, 1.2), rng.uniform(0.2, 0.5), rng, depth=0.1), 0
        )
    return mask


def _draw_layer(coverage: Field, rng: Random) -> Field:
    """Return the thickness of the cell, about 1, thin at the center and uneven."""
    height, width = coverage.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    pallor = 0.8 * rng.beta(0.6, 1.6)
    center = rng.uniform(-0.2, 0.2, 2).astype(np.float32)
    distance = np.hypot(y - center[0], x - center[1])
    edge = rng.uniform(6, 16) * (distance - rng.uniform(0.15, 0.45))
    layer = 1 - pallor / (1 + cv2.exp(edge))
    slope = rng.uniform(-0.12, 0.12, 2)
    layer += slope[0] * y + slope[1] * x
    coarse = rng.uniform(0.02, 0.06) * rng.standard_normal((7, 7)).astype(np.float32)
    layer += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    # Refraction makes the border of a cell lighter.
    inside = cv2.GaussianBlur(coverage, (0, 0), width / 32, sigmaY=height / 32)
    layer *= 1 - rng.uniform(0, 1.2) * np.clip(0.75 - inside, 0, 1)
    return np.maximum(layer, 0).astype(np.float32)


# Parasites: all have sharp, dense chromatin.


def _draw_chromatin(sharp: Canvas, center: Points, rng: Random) -> None:
    dot = _blob(center, rng.uniform(0.065, 0.105), rng, squeeze=rng.uniform(0.55, 1.0))
    _fill(sharp, dot, (rng.uniform(170, 255), 0, 0))


def _draw_ring(sharp: Canvas, rng: Random) -> None:
    radius = rng.uniform(0.13, 0.26)
    ring = _blob(
        _spot(rng, 0.0, 0.7), radius, rng, squeeze=rng.uniform(0.7, 1.0), depth=0.03
    )
    _fill(sharp, ring, (0, 0, rng.uniform(40, 130)))
    cytoplasm = (rng.uniform(50, 120), 0, 0)
    _stroke(sharp, ring, cytoplasm, rng.uniform(0.03, 0.07), closed=True)
    first = rng.randint(_OUTLINE_POINTS)
    _draw_chromatin(sharp, ring[first], rng)
    if rng.uniform() < 0.3:
        second = (first + rng.randint(6, 32)) % _OUTLINE_POINTS
        _draw_chromatin(sharp, ring[second], rng)


def _draw_border_form(sharp: Canvas, rng: Random) -> None:
    center = _spot(rng, 0.75, 0.87)
    _draw_chromatin(sharp, center, rng)
    if rng.uniform() < 0.5:
        arc = _blob(center, rng.uniform(0.12, 0.18), rng)[: rng.randint(20, 40)]
        cytoplasm = (rng.uniform(50, 120), 0, 0)
        _stroke(sharp, arc, cytoplasm, rng.uniform(0.04, 0.07), closed=False)


def _draw_crescent(sharp: Canvas, rng: Random) -> None:
    arc = _blob(_spot(rng, 0.0, 0.7), rng.uniform(0.12, 0.22), rng, squeeze=0.7)
    arc = np.roll(arc, rng.randint(_OUTLINE_POINTS), axis=0)[: rng.randint(18, 34)]
    body = (rng.uniform(110, 180), 0, 0)
    _stroke(sharp, arc, body, rng.uniform(0.07, 0.11), closed=False)
    _draw_chromatin(sharp, arc[0], rng)


def _draw_trophozoite(sharp: Canvas, rng: Random) -> None:
    center, radius = _spot(rng, 0.0, 0.6), rng.uniform(0.2, 0.36)
    body = _blob(center, radius, rng, squeeze=rng.uniform(0.6, 1.0), depth=0.1)
    _fill(sharp, body, (rng.uniform(70, 130), 0, 0))
    vacuole = _blob(center + rng.uniform(-0.3, 0.3, 2) * radius, 0.4 * radius, rng)
    _fill(sharp, vacuole, (20, 0, rng.uniform(40, 130)))
    for _ in range(rng.randint(1, 4)):
        toward = body[rng.randint(_OUTLINE_POINTS)]
        _draw_chromatin(sharp, 0.6 * toward + 0.4 * center, rng)
    for _ in range(rng.randint(0, 5)):
        pigment = _blob(center + rng.uniform(-0.5, 0.5, 2) * radius, 0.03, rng)
        _fill(sharp, pigment, (100, rng.uniform(80, 180), 0))


_PARASITES: tuple[Callable[[Canvas, Random], None], ...] = (
    _draw_ring,
    _draw_border_form,
    _draw_crescent,
    _draw_trophozoite,
)
_PARASITE_SHARES = (0.45, 0.2, 0.15, 0.2)

# Debris, in cells of both classes. It is as dark or as purple as a parasite. Unlike
# chromatin, it is blurred, brown or of a different shape.


def _draw_platelet(soft: Canvas, sharp: Canvas, rng: Random) -> None:
    center, radius = _spot(rng, 0.0, 0.85), rng.uniform(0.12, 0.3)
    _fill(soft, _blob(center, 1.4 * radius, rng), (0, 0, rng.uniform(0, 90)))
    body = _blob(center, radius, rng, squeeze=rng.uniform(0.6, 1.0), depth=0.1)
    _fill(soft, body, (rng.uniform(80, 170), 0, 0))
    for _ in range(rng.randint(3, 9)):
        granule = center + rng.uniform(-0.6, 0.6, 2) * radius
        density = rng.uniform(190, 255)
        _fill(soft, _blob(granule, rng.uniform(0.05, 0.09), rng), (density, 0, 0))


def _draw_stain_deposit(soft: Canvas, sharp: Canvas, rng: Random) -> None:
    center, spread = _spot(rng, 0.0, 0.8), rng.uniform(0.1, 0.6)
    for _ in range(rng.randint(4, 16)):
        grain = _blob(
            center + spread * rng.standard_normal(2), rng.uniform(0.02, 0.04), rng
        )
        _fill(sharp, grain, (rng.uniform(60, 200), 0, 0))


def _draw_haze(soft: Canvas, sharp: Canvas, rng: Random) -> None:
    center = _spot(rng, 0.0, 0.7)
    haze = _blob(center, rng.uniform(0.2, 0.6), rng, squeeze=rng.uniform(0.3, 1.0))
    density = rng.uniform(20, 80)
    for scale in (1.0, 0.85, 0.7, 0.55):  # fading toward its border
        soft_haze = center + scale * (haze - center)
        _fill(soft, soft_haze, (density * (1.2 - scale), 0, 0))


def _draw_dark_rim(soft: Canvas, sharp: Canvas, rng: Random) -> None:
    rim = _blob(0.0, rng.uniform(0.83, 0.96), rng, depth=0.02)
    rim = np.roll(rim, rng.randint(_OUTLINE_POINTS), axis=0)[: rng.randint(8, 30)]
    density = (rng.uniform(60, 200), 0, 0)
    _stroke(soft, rim, density, rng.uniform(0.06, 0.18), closed=False)


def _draw_dirt(soft: Canvas, sharp: Canvas, rng: Random) -> None:
    size, squeeze = rng.uniform(0.04, 0.11), rng.uniform(0.3, 1.0)
    dirt = _blob(_spot(rng, 0.0, 0.9), size, rng, squeeze=squeeze, depth=0.15)
    _fill(sharp, dirt, (rng.uniform(0, 60), rng.uniform(130, 255), 0))


def _draw_bubble(soft: Canvas, sharp: Canvas, rng: Random) -> None:
    bubble = _blob(_spot(rng, 0.0, 0.8), rng.uniform(0.06, 0.2), rng, depth=0.02)
    _fill(sharp, bubble, (0, 0, rng.uniform(60, 160)))
    outline = (0, rng.uniform(20, 70), 0)
    _stroke(sharp, bubble, outline, rng.uniform(0.03, 0.06), closed=True)


_DEBRIS: tuple[Callable[[Canvas, Canvas, Random], None], ...] = (
    _draw_platelet,
    _draw_stain_deposit,
    _draw_haze,
    _draw_dark_rim,
    _draw_dirt,
    _draw_bubble,
)
_DEBRIS_SHARES = (0.36, 0.13, 0.13, 0.1, 0.18, 0.1)
