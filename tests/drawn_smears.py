"""Photographs whose cells are known, because they were drawn."""

import cv2
import numpy as np

PLASMA = (235, 225, 230)
CELL = (205, 130, 160)
NUCLEUS = (110, 40, 120)


def draw_photo(centers, *, radius=30, shape=(300, 400), color=CELL, noise=2):
    """Draw disks on plasma, with a little noise of the camera."""
    photo = np.full((*shape, 3), PLASMA, dtype=np.uint8)
    for x, y in centers:
        cv2.circle(photo, (x, y), radius, color, cv2.FILLED, cv2.LINE_AA)
    grain = np.random.default_rng(0).normal(0, noise, photo.shape)
    return np.clip(photo + grain, 0, 255).astype(np.uint8)


def on_grid(columns=4, rows=3, step=100):
    """Return centers that lie apart."""
    return [
        (step // 2 + step * column, step // 2 + step * row)
        for row in range(rows)
        for column in range(columns)
    ]


def draw_thick_smear(shape=(300, 400)):
    """Draw dark nuclei and specks on the mottled remains of red cells."""
    rng = np.random.default_rng(0)
    mottled = cv2.GaussianBlur(rng.normal(0, 1, shape), (0, 0), 8)
    photo = np.array((200, 190, 215.0)) + 10 * (mottled / mottled.std())[..., None]
    for radius, number in ((22, 6), (3, 25)):
        for x, y in rng.integers((30, 30), (shape[1] - 30, shape[0] - 30), (number, 2)):
            cv2.circle(photo, (int(x), int(y)), radius, NUCLEUS, cv2.FILLED)
    return np.clip(photo, 0, 255).astype(np.uint8)
