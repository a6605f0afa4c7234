import os
from pathlib import Path
from tempfile import gettempdir
from unittest import mock

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from joblib import parallel_config

from malariafuse._cell import Cell, find_cell
from malariafuse.datasets import make_cell_images
from malariafuse.features import SpotFeatureExtractor, _spots
from malariafuse.features._cell_density import measure_stain
from malariafuse.features._cell_disks import gap_areas, tip_areas
from malariafuse.features._cell_regions import region_features
from malariafuse.features._cell_smooth import smooth

RED_CELL = (220, 170, 180)
CHROMATIN = (90, 30, 120)


def drawn(spots=(), bite=None, size=64, color=RED_CELL):
    """Draw a round cell on black, with spots (x, y, radius) and one bite of the rim."""
    image = np.zeros((size, size, 3), np.uint8)
    cv2.circle(image, (size // 2, size // 2), size * 7 // 16, color, cv2.FILLED)
    for x, y, radius in spots:
        cv2.circle(image, (x, y), radius, CHROMATIN, cv2.FILLED)
    if bite is not None:
        cv2.circle(image, bite[:2], bite[2], (0, 0, 0), cv2.FILLED)
    return image


def features(*images):
    extractor = SpotFeatureExtractor().set_output(transform="pandas")
    return extractor.transform(np.stack(images))


def test_a_spot_is_found_where_it_is():
    table = features(drawn(), drawn(spots=[(30, 36, 3)]))
    assert table["spot1_contrast"].round(2)[0] == 0
    assert table["spot1_contrast"][1] > 0.3
    assert table["above0.5_count"].tolist() == [0, 1]
    # Optical density of the chromatin relative to the cell, the logarithm of their
    # ratio; less over the region above 0.5, which holds the blurred edge of the spot.
    found = table.loc[1, ["above0.5_red", "above0.5_green", "above0.5_blue"]]
    true = np.log((np.array(RED_CELL) + 1) / (np.array(CHROMATIN) + 1))
    np.testing.assert_allclose(found.astype(float), 0.8 * true, rtol=0.1)
    area = np.pi * 3**2 / (np.pi * 28**2)
    np.testing.assert_allclose(table["above0.5_largest_area"][1], area, rtol=0.4)


def test_a_purple_spot_at_the_rim_is_told_from_shade():
    shaded, stained = drawn(), drawn()
    # The rim is 2.8 pixels wide; both spots lie in it, on the right.
    for image, color in ((shaded, [0.4 * c for c in RED_CELL]), (stained, CHROMATIN)):
        cv2.circle(image, (58, 32), 1, color, cv2.FILLED)
    table = features(drawn(), shaded, stained)
    plain, shade, stain = table["rim_purple_spot1_contrast"]
    assert abs(plain) < 0.05
    assert abs(shade) < 0.05
    assert stain > 0.2
    assert table["purple0.25_count"].tolist() == [0, 0, 1]


def test_two_spots_are_counted():
    assert features(drawn(spots=[(24, 30, 3), (42, 36, 3)]))["above0.5_count"][0] == 2


def test_the_outline_tells_a_bite_out_of_the_rim():
    table = features(drawn(), drawn(bite=(60, 32, 8)))
    assert table["solidity"][0] > 0.97 > 0.96 > table["solidity"][1]
    assert table["dent1_depth"][0] < 0.05 < 0.2 < table["dent1_depth"][1]
    assert table["radius_min"][1] < 0.9 < table["radius_min"][0]


def test_gaps_and_tips_are_told_by_their_width():
    plain = np.zeros((64, 64, 3), np.uint8)
    cv2.circle(plain, (32, 40), 20, RED_CELL, cv2.FILLED)
    slit, spike = plain.copy(), plain.copy()
    # Both are 6 pixels wide, 0.3 of the radius, and 10 long.
    slit[51:61, 29:35] = 0
    spike[10:21, 29:35] = RED_CELL
    table = features(plain, slit, spike)
    part = 6 * 10 / (np.pi * 20**2)
    for name, where in (("gaps", 1), ("tips", 2)):
        assert table[f"{name}_below0.16"].max() < 0.02
        np.testing.assert_allclose(table[f"{name}_below0.5"][where], part, rtol=0.5)
        # The corners of the slit are tips of 0.02.
        assert table[f"{name}_below0.5"].drop(where).max() < 0.025


def closed_and_opened(cell, size):
    """Close and open one cell by disks as OpenCV measures distances, in areas."""
    reach, frame = size * cell.radius, int(size * cell.radius) + 2
    mask = np.pad(cell.mask, frame)

    def distances(mask):
        return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)

    closed = distances(distances(1 - mask) <= reach) > reach
    opened = distances(distances(mask) <= reach) <= reach
    return closed.sum() / cell.area - 1, 1 - opened.sum() / cell.area


@pytest.mark.parametrize("size", [0.1, 0.25, 0.5, 0.8])
def test_disks_fill_and_cut_each_cell_by_its_own_radius(size):
    """Disks at the corners of the square must not come out of the flat cell below."""
    square, flat, cross = np.zeros((3, 24, 24, 3), np.float32)
    square[:] = flat[:8] = cross[8:15] = cross[2:22, 9:16] = 99
    cells = [find_cell(image) for image in (square, flat, cross)]
    found = np.hstack([gap_areas(cells, (size,)), tip_areas(cells, (size,))])
    expected = [closed_and_opened(cell, size) for cell in cells]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_notch_is_where_the_rim_is_bitten():
    # The bite reaches 12 pixels from the rim, at 28, toward the center.
    plain, bitten, stained = drawn(), drawn(bite=(60, 32, 8)), drawn(bite=(60, 32, 8))
    cv2.circle(stained, (49, 32), 2, CHROMATIN, cv2.FILLED)
    table = features(plain, bitten, stained)
    np.testing.assert_allclose(table["notch_radius0"], [1, 0.7, 0.7], atol=0.15)
    np.testing.assert_allclose(table["notch_radius24"], 1, atol=0.2)
    assert (table["notch_purple0"].round(1)[:2] == 0).all()
    assert table["notch_purple0"][2] > 0.3 > table["notch_purple16"][2]
    assert table["border_purple_spot_bend"][2] < -2  # most of a bite of radius 8 of 27
    assert (table["border_solid"] > 0.95).all()


@pytest.mark.parametrize("degrees", [0, 40, 63, 110, 200, 315])
def test_what_lies_along_a_slit_is_read_inside_the_cell(degrees):
    image = drawn(size=128)
    turn = np.deg2rad(degrees)
    rim = (round(64 + 60 * np.cos(turn)), round(64 + 60 * np.sin(turn)))
    cv2.line(image, (64, 64), rim, (0, 0, 0), thickness=2)
    assert features(image)["border_solid"][0] > 0.9


def test_a_hole_and_debris_are_measured():
    image = drawn()
    image[30:34, 30:34] = 0
    image[:3, :4] = 200
    table = features(image)
    area = np.pi * 28**2
    np.testing.assert_allclose(table["hole_area"][0], 16 / area, rtol=0.05)
    np.testing.assert_allclose(table["debris_area"][0], 12 / area, rtol=0.05)


def test_the_strength_of_the_lamp_cancels():
    image = drawn(spots=[(30, 36, 3)], bite=(60, 32, 8))
    table = features(image, (image * 0.8).astype(np.uint8))
    np.testing.assert_allclose(table.loc[0], table.loc[1], atol=0.1)


def test_the_size_of_the_image_hardly_matters():
    small = drawn(spots=[(30, 36, 4)])
    large = cv2.resize(small, (128, 128), interpolation=cv2.INTER_NEAREST)
    for name in ("spot2_contrast", "solidity", "cell_area", "above0.3_area"):
        values = [features(image)[name][0] for image in (small, large)]
        np.testing.assert_allclose(*values, rtol=0.15, err_msg=name)


def test_turned_and_mirrored_cells_have_nearly_the_same_features():
    image = drawn(spots=[(24, 40, 3), (22, 56, 2)], bite=(60, 32, 8))
    first, *others = (
        features(view).to_numpy()[0]
        for view in (image, np.rot90(image), image[::-1], image[:, ::-1])
    )
    for other in others:
        np.testing.assert_allclose(other, first, atol=0.2)


def test_bytes_and_floats_have_the_same_features():
    cells = make_cell_images(6, 2, image_size=(48, 48), random_state=0).images
    as_bytes = SpotFeatureExtractor().fit_transform(cells)
    as_floats = SpotFeatureExtractor().fit_transform(cells / np.float32(255))
    assert as_bytes.dtype == np.float32
    np.testing.assert_allclose(as_floats, as_bytes, atol=1e-3)


def test_each_row_depends_on_its_own_image_alone():
    cells = make_cell_images(6, 2, image_size=(32, 32), random_state=0).images
    together = SpotFeatureExtractor().transform(cells)
    alone = np.concatenate([SpotFeatureExtractor().transform(c[None]) for c in cells])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(("n_images", "n_parts"), [(1, 1), (3, 1), (4, 2), (7, 2)])
def test_jobs_share_the_work_if_there_is_enough(monkeypatch, n_images, n_parts):
    cells = make_cell_images(8, 2, image_size=(32, 32), random_state=0).images
    cells = cells[:n_images]
    monkeypatch.setattr(_spots, "_FEWEST_SHARED", 4)
    measure = mock.Mock(wraps=_spots._measure)
    monkeypatch.setattr(_spots, "_measure", measure)
    with parallel_config("threading"):  # processes take seconds to start
        shared = SpotFeatureExtractor(n_jobs=2).transform(cells)
    assert measure.call_count == n_parts
    np.testing.assert_array_equal(shared, SpotFeatureExtractor().transform(cells))


@pytest.mark.parametrize(("dtype", "n_parts"), [(np.uint8, 2), (np.float64, 4)])
def test_parts_of_the_work_are_small_enough_to_pickle(monkeypatch, dtype, n_parts):
    cells = make_cell_images(8, 2, image_size=(32, 32), random_state=0).images
    monkeypatch.setattr(_spots, "_FEWEST_SHARED", 4)
    monkeypatch.setattr(_spots, "_MOST_BYTES_PICKLED", 2 * 32 * 32 * 3 * 8)
    measure = mock.Mock(wraps=_spots._measure)
    monkeypatch.setattr(_spots, "_measure", measure)
    images = cells if dtype == np.uint8 else cells / 255
    with parallel_config("threading"):
        SpotFeatureExtractor(n_jobs=2).transform(images)
    assert measure.call_count == n_parts


def test_processes_are_a_few_for_each_core(monkeypatch):
    cells = make_cell_images(8, 2, image_size=(32, 32), random_state=0).images
    monkeypatch.setattr(_spots, "_FEWEST_SHARED", 4)
    monkeypatch.setattr(_spots, "cpu_count", lambda: 1)
    with (
        parallel_config("threading"),
        mock.patch.object(_spots, "Parallel", wraps=_spots.Parallel) as parallel,
    ):
        shared = SpotFeatureExtractor(n_jobs=1000).transform(cells)
    assert parallel.call_args.kwargs["n_jobs"] == 4
    np.testing.assert_array_equal(shared, SpotFeatureExtractor().transform(cells))


def test_processes_leave_no_folder_behind(monkeypatch):
    def folders():
        return {
            folder
            for root in ("/dev/shm", gettempdir())
            for folder in Path(root).glob(f"joblib_memmapping_folder_{os.getpid()}_*")
        }

    monkeypatch.delenv("JOBLIB_TEMP_FOLDER", raising=False)
    monkeypatch.setattr(_spots, "_FEWEST_SHARED", 4)
    cells = make_cell_images(8, 2, image_size=(32, 32), random_state=0).images
    expected = SpotFeatureExtractor().transform(cells)
    extractor = SpotFeatureExtractor(n_jobs=2)
    before = folders()
    for _ in range(4):
        np.testing.assert_array_equal(extractor.transform(cells), expected)
    assert folders() == before


def test_cells_measured_together_are_as_those_measured_alone(monkeypatch):
    cells = make_cell_images(6, 2, image_size=(32, 32), random_state=0).images
    empty = np.zeros_like(cells[:1])
    small = drawn(size=20)[:, 1:]  # of another class of size
    small = np.pad(small, ((6, 6), (6, 7), (0, 0)))[None]
    cells = np.concatenate([empty, cells[:3], small, empty, cells[3:], small])
    together = SpotFeatureExtractor().transform(cells)
    monkeypatch.setattr(_spots, "_PIXELS_TOGETHER", 3 * 32 * 32)
    np.testing.assert_array_equal(SpotFeatureExtractor().transform(cells), together)
    assert np.flatnonzero(~together.any(axis=1)).tolist() == [0, 5]
    np.testing.assert_array_equal(together[4], together[-1])


@pytest.mark.parametrize("shape", [(48, 48), (72, 56)])
def test_values_are_those_of_before(shape):
    """Networks trained on the features must not see others in a later version.

    `std` are the standard deviations over 1,000 cells of the NIH set.
    """
    stored = np.load(Path(__file__).with_name("spot_features.npz"))
    cells = make_cell_images(5, 2, image_size=shape, random_state=0).images
    values = SpotFeatureExtractor().transform(cells)
    expected = stored["values_{}_{}".format(*shape)]
    np.testing.assert_array_less(np.abs(values - expected) / stored["std"], 1e-4)


@pytest.mark.parametrize("shape", [(40, 40), (24, 61), (5, 40), (2, 3), (1, 1)])
def test_wide_gaussians_are_those_of_opencv(shape):
    # Kernels of up to 161 pixels meet many mirror images.
    scales, radii = [0.08, 0.25, 0.6, 2.0], np.array([10.0, 9.0])
    layers = np.random.default_rng(0).random((3, 2, *shape), dtype=np.float32)
    for scale, smoothed in zip(scales, smooth(layers, scales, radii), strict=True):
        for i, radius in enumerate(radii):
            for layer, found in zip(layers[:, i], smoothed[:, i], strict=True):
                expected = cv2.GaussianBlur(layer, (0, 0), scale * radius)
                np.testing.assert_allclose(found, expected, atol=1e-5)


def test_products_are_too_small_for_threads(monkeypatch):
    # Threads of OpenBLAS wait for each other on a busy machine, and round otherwise.
    matmul = mock.Mock(wraps=np.matmul)
    monkeypatch.setattr(np, "matmul", matmul)
    layers = np.zeros((3, 2, 144, 144), np.float32)
    for _ in smooth(layers, [0.05, 0.3], np.array([60.0, 61.0])):
        pass
    assert matmul.called
    for (a, b), _ in matmul.call_args_list:
        assert a.shape[-2] * a.shape[-1] * b.shape[-1] <= 2**18


def test_a_wider_background_does_not_change_the_outline():
    image = drawn(bite=(60, 32, 8))
    wide = cv2.copyMakeBorder(image, 30, 3, 0, 40, cv2.BORDER_CONSTANT)
    before, after = features(image).iloc[0], features(wide).iloc[0]
    outline = [
        name
        for name in before.index
        if name.startswith(("gaps", "tips", "dent", "ellipse", "outline", "radius"))
    ]
    np.testing.assert_allclose(after[outline], before[outline], atol=1e-6)


@settings(max_examples=30)
@given(
    st.tuples(st.integers(3, 12), st.integers(3, 12)).flatmap(
        lambda shape: arrays(np.bool_, (3, 2, *shape))
    )
)
def test_regions_are_those_of_opencv(masks):
    """Three cells that fill their images, with two thresholds each."""
    height, width = masks.shape[2:]
    image = np.random.default_rng(0).uniform(50, 250, (height, width, 3))
    images = np.tile(image.astype(np.float32), (3, 1, 1, 1))
    full = np.ones((height, width), np.uint8)
    cells = [Cell(full, np.zeros((1, 2), np.int32), full)] * 3
    stain = measure_stain(images, cells)
    found = masks.swapaxes(0, 1).reshape(2, -1)[:, stain.places]
    table = region_features(found, stain, cells).reshape(3, 2, 8)
    flat = masks.reshape(-1, height, width)
    for row, mask in zip(table.reshape(-1, 8), flat, strict=True):
        n_labels, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8)
        )
        if n_labels == 1:
            assert not row.any()
            continue
        largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        area = stats[largest, cv2.CC_STAT_AREA]
        box = stats[largest, cv2.CC_STAT_WIDTH] * stats[largest, cv2.CC_STAT_HEIGHT]
        expected = [
            mask.sum() / mask.size,
            area / mask.size,
            n_labels - 1,
            area / box,
            *stain.plane[:, 0, labels == largest].mean(axis=1),
        ]
        np.testing.assert_allclose(row[:7], expected, rtol=1e-5, atol=1e-6)


def test_names_are_unique_and_label_the_table():
    names = SpotFeatureExtractor().get_feature_names_out()
    assert len(set(names)) == len(names) == 259
    table = features(drawn())
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == names.tolist()


def test_an_image_without_a_cell_has_no_features():
    assert not features(np.zeros((16, 16, 3), np.uint8)).to_numpy().any()


@settings(max_examples=30)
@given(
    arrays(
        np.uint8,
        st.tuples(st.just(1), st.integers(1, 24), st.integers(1, 24), st.just(3)),
    ).filter(lambda images: images.max() > 1)
)
def test_any_image_has_finite_features(images):
    assert np.isfinite(SpotFeatureExtractor().transform(images)).all()


def test_images_of_another_shape_than_in_fit_are_refused():
    extractor = SpotFeatureExtractor().fit(drawn()[None])
    with pytest.raises(ValueError, match="fitted on images of shape"):
        extractor.transform(drawn(size=32)[None])


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match=r"1 channel\(s\), expected 3"):
        SpotFeatureExtractor().transform(np.zeros((1, 8, 8, 1), np.uint8))
