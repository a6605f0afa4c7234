import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawn_results import read_drawn, smear
from drawn_smears import draw_photo, on_grid

from malariafuse._files._read import ImageReadError
from malariafuse.plotting import (
    ParasitemiaCalibrationDisplay,
    ParasitemiaDisplay,
    SmearDisplay,
    suspicious_cells,
)


@pytest.fixture(scope="module")
def result():
    cut = draw_photo([*on_grid(), (0, 150)])
    return read_drawn(smear(3), cut)


class TestSmear:
    def test_outlines_lie_around_the_cells(self, result):
        display = SmearDisplay.from_result(result)
        assert len(display.outlines) == 12
        centers = sorted(
            tuple(line.mean(axis=0).round(-1)) for line in display.outlines
        )
        assert centers == sorted(on_grid())
        assert all(55 <= np.ptp(line[:, 0]) <= 65 for line in display.outlines)

    def test_counted_cells_are_drawn_wider_and_above_the_others(self, result):
        display = SmearDisplay.from_result(result)
        widths = display.outlines_.get_linewidths()
        assert list(widths) == [1.0] * 9 + [2.5] * 3
        probability = display.outlines_.get_array()
        assert (np.diff(probability) >= 0).all()
        assert probability[8] < 0.01 < 0.5 < probability[9]

    def test_flagged_regions_are_apart(self, result):
        display = SmearDisplay.from_result(result, 1)
        assert len(display.flagged_.get_paths()) == 1
        assert len(display.outlines_.get_paths()) == 12

    def test_title_tells_the_count(self, result):
        display = SmearDisplay.from_result(result)
        assert display.ax_.get_title() == "3 of 12 cells counted"

    def test_a_large_photograph_is_drawn_smaller(self):
        large = np.kron(smear(1), np.ones((5, 5, 1), np.uint8))
        display = SmearDisplay.from_result(read_drawn(large))
        assert display.photo.shape == (1200, 1600, 3)
        # Drawn on a grid of 100 pixels, enlarged five times and then to four fifths.
        middles = [
            (line.min(axis=0) + line.max(axis=0)) / 2 for line in display.outlines
        ]
        expected = [(4 * x, 4 * y) for x, y in on_grid()]
        assert np.array(middles) == pytest.approx(np.array(expected), abs=8)

    @pytest.mark.parametrize("photo", [-1, 2, "first"])
    def test_no_such_photograph(self, result, photo):
        with pytest.raises((ValueError, TypeError), match="photo="):
            SmearDisplay.from_result(result, photo)

    def test_no_result(self):
        with pytest.raises(TypeError, match="result="):
            SmearDisplay.from_result("Ada")

    def test_a_photograph_that_is_gone(self, tmp_path):
        import cv2

        file = tmp_path / "smear.png"
        cv2.imwrite(str(file), smear(1))
        gone = read_drawn(str(file))
        file.unlink()
        with pytest.raises(ImageReadError, match=r"smear\.png"):
            SmearDisplay.from_result(gone)


class TestSuspiciousCells:
    def test_the_parasites_come_first(self, result):
        grid = suspicious_cells(result, 4)
        darkest = grid.images.min(axis=(1, 2, 3))
        assert (darkest[:3] < 60).all()
        assert darkest[3] > 100
        assert grid.titles[0].endswith("photograph 1")

    def test_crops_hold_the_surroundings(self, result):
        (crop,) = suspicious_cells(result, 1).images
        assert crop[0, 0].min() > 200  # plasma
        assert abs(crop[32, 32].astype(int) - (90, 30, 110)).max() < 12

    def test_no_cell(self):
        with pytest.warns(UserWarning, match="cannot be judged"):
            empty = read_drawn(draw_photo([]))
        with pytest.raises(ValueError, match="no red cell"):
            suspicious_cells(empty)


class TestParasitemia:
    def test_points_and_intervals_are_those_of_the_photographs(self, result):
        display = ParasitemiaDisplay.from_result(result)
        points, _, (lines,) = display.bars_
        fraction = 100 * result.photos["fraction"]
        assert points.get_ydata() == pytest.approx(fraction)
        ends = np.array([line[:, 1] for line in lines.get_segments()])
        expected = 100 * result.photos[["low", "high"]]
        assert ends == pytest.approx(expected.to_numpy())

    def test_a_patient_without_cells(self):
        with pytest.warns(UserWarning, match="cannot be judged"):
            empty = read_drawn(draw_photo([]))
        assert ParasitemiaDisplay.from_result(empty).ax_.get_legend() is None


class TestCalibration:
    def test_patients_without_parasites_are_left_out(self):
        display = ParasitemiaCalibrationDisplay.from_estimates(
            [0, 0.01, 0.1], [0.001, 0.02, 0.1], [0, 0.01, 0.05], [0.01, 0.04, 0.2]
        )
        points, _, (lines,) = display.bars_
        assert points.get_xydata() == pytest.approx(np.array([[1, 2], [10, 10]]))
        assert lines.get_segments()[0][:, 1] == pytest.approx([1, 4])

    def test_an_estimate_of_nothing_has_a_place(self):
        display = ParasitemiaCalibrationDisplay(
            table=pd.DataFrame({"true": [0.01], "estimated": [0.0]})
        ).plot()
        assert display.bars_[0].get_ydata() == pytest.approx([0.05])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
