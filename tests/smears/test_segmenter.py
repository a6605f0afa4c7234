import cv2
import numpy as np
import pytest
from drawn_smears import CELL, NUCLEUS, PLASMA, draw_photo, on_grid
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from malariafuse.smears import CellSegmenter, match_boxes, tabulate_cells


def boxes_of(centers, radius):
    return [
        [x - radius, y - radius, 2 * radius + 1, 2 * radius + 1] for x, y in centers
    ]


def find(photo, **parameters):
    return tabulate_cells(photo, CellSegmenter(**parameters).segment(photo))


@pytest.mark.parametrize("radius", [10, 30, 75])
def test_cells_of_any_size_are_found_where_they_are(radius):
    centers = on_grid(step=4 * radius)
    photo = draw_photo(centers, radius=radius, shape=(12 * radius, 16 * radius))
    table = find(photo)
    assert (table["flag"] == "").all()
    matches = match_boxes(
        boxes_of(centers, radius), table[["x", "y", "width", "height"]]
    )
    assert len(matches) == len(table) == len(centers)
    assert matches["iou"].min() > 0.8
    # A smooth rim of a pixel makes (11 / 10) ** 2 of the smallest cell.
    assert_allclose(table["area"], np.pi * radius**2, rtol=0.25)


@pytest.mark.parametrize("distance", [1.6, 1.8, 2.0])
def test_cells_that_touch_or_overlap_are_cut_apart(distance):
    radius = 30
    lone = on_grid(columns=4, rows=1)
    pair = [(100, 200), (100 + round(distance * radius), 200)]
    table = find(draw_photo(lone + pair, radius=radius))
    matches = match_boxes(
        boxes_of(lone + pair, radius), table[["x", "y", "width", "height"]]
    )
    assert len(table) == len(matches) == 6


def test_uneven_light_changes_nothing():
    photo = draw_photo(on_grid())
    light = np.linspace(0.6, 1, photo.shape[1])[:, None]
    assert len(find((photo * light).astype(np.uint8))) == 12


def test_pale_centers_belong_to_their_cells():
    photo = draw_photo(on_grid())
    pale = tuple(int(0.8 * p + 0.2 * c) for p, c in zip(PLASMA, CELL, strict=True))
    full = find(photo)["area"]
    for x, y in on_grid():
        cv2.circle(photo, (x, y), 12, pale, cv2.FILLED, cv2.LINE_AA)
    assert_allclose(find(photo)["area"], full, rtol=0.03)


def test_white_cells_debris_and_cut_cells_are_flagged():
    centers = on_grid()
    photo = draw_photo(centers[2:], noise=0)
    cv2.circle(photo, centers[0], 34, NUCLEUS, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(photo, centers[1], 9, CELL, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(photo, (400, 100), 30, CELL, cv2.FILLED, cv2.LINE_AA)
    table = find(photo)
    at = {
        (round(row.x + row.width / 2, -1), round(row.y + row.height / 2, -1)): row.flag
        for row in table.itertuples()
    }
    assert at[50, 50] == "white cell"
    assert at[150, 50] == "debris"
    assert (table["flag"] == "cut").sum() == 1
    assert (table["flag"] == "").sum() == 10


def test_a_red_cell_full_of_parasites_is_no_white_cell():
    centers = on_grid()
    photo = draw_photo(centers[1:])
    cv2.circle(photo, centers[0], 30, CELL, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(photo, centers[0], 26, NUCLEUS, cv2.FILLED, cv2.LINE_AA)
    assert find(photo)["flag"].tolist() == [""] * 12


def test_cells_cut_by_the_rim_of_the_field_are_flagged():
    y, x = np.mgrid[:600, :600]
    distance = np.hypot(x - 300, y - 300)
    centers = on_grid(columns=6, rows=6)
    photo = draw_photo(centers, shape=(600, 600))
    photo[distance > 260] = 5
    flags = find(photo)["flag"].tolist()
    whole = sum(np.hypot(x - 300, y - 300) < 260 - 33 for x, y in centers)
    assert flags.count("") == whole
    assert set(flags) <= {"", "cut", "debris"}


def test_a_printed_scale_bar_is_no_cell():
    photo = draw_photo(on_grid()[:-1])
    cv2.rectangle(photo, (310, 240), (390, 255), (0, 0, 0), cv2.FILLED)
    flags = find(photo)["flag"].tolist()
    assert flags.count("") == 11
    assert set(flags) <= {"", "debris"}


def test_clumps_of_any_label_image_are_flagged():
    photo = draw_photo(on_grid())
    labels = np.zeros(photo.shape[:2], dtype=np.uint16)
    for number, (x, y) in enumerate(on_grid()[:8], start=5):
        cv2.circle(labels, (x, y), 30, number, cv2.FILLED)
    # Three cells in a bend have the area of three and fill less than their hull.
    for x, y in ((60, 220), (110, 260), (160, 220)):
        cv2.circle(labels, (x, y), 30, 3, cv2.FILLED)
    table = tabulate_cells(photo, labels)
    assert table["label"].tolist() == [3, *range(5, 13)]
    assert table["flag"].tolist() == ["clump"] + [""] * 8


@pytest.mark.parametrize("noise", [0, 3])
def test_plasma_alone_has_no_cells(noise):
    table = find(draw_photo([], noise=noise))
    assert len(table[table["flag"] == ""]) == 0


def test_segmentation_is_the_same_again():
    photo = draw_photo(on_grid())
    segmenter = clone(CellSegmenter(60.0)).fit()
    first, second = segmenter.transform([photo, photo])
    assert first.dtype == np.int32
    assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"diameter": -3}, "diameter=-3: expected None or a number"),
        ({"resolution": 4}, "resolution=4: expected an integer"),
    ],
)
def test_bad_parameters_are_named(parameters, match):
    with pytest.raises(ValueError, match=match):
        CellSegmenter(**parameters).fit()


def test_what_is_no_photograph_is_named():
    with pytest.raises(ValueError, match=r"photo has shape \(9, 9\)"):
        CellSegmenter().segment(np.zeros((9, 9), np.uint8))
    with pytest.raises(TypeError, match="photo has dtype float64"):
        CellSegmenter().segment(np.zeros((90, 90, 3)))


@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        (np.zeros((3, 3), int), ValueError, r"labels has shape \(3, 3\)"),
        (np.zeros((300, 400)), TypeError, "labels has dtype float64"),
        (np.full((300, 400), -1), ValueError, "labels range from -1 to -1"),
    ],
)
def test_label_images_that_do_not_fit_are_named(labels, error, match):
    with pytest.raises(error, match=match):
        tabulate_cells(draw_photo(on_grid()), labels)


def test_regions_with_deep_bays_are_clumps():
    labels = np.zeros((300, 400), dtype=np.uint8)
    for number, (x, y) in enumerate(on_grid(), start=1):
        cv2.circle(labels, (x, y), 30, number, cv2.FILLED)
    # A crescent: what a circle of the same size, shifted by a radius, leaves.
    cv2.circle(labels, (80, 50), 30, 0, cv2.FILLED)
    table = tabulate_cells(draw_photo(on_grid()), labels)
    assert table["flag"].tolist() == ["clump"] + [""] * 11


def test_a_label_image_without_cells_gives_an_empty_table():
    table = tabulate_cells(draw_photo(on_grid()), np.zeros((300, 400), int))
    assert list(table) == ["label", "x", "y", "width", "height", "area", "flag"]
    assert table.empty
