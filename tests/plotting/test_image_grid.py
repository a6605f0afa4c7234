import re

import numpy as np
import pytest
from support import dark_spots

from malariafuse.evaluation import label_issues
from malariafuse.plotting import ImageGridDisplay

X, y, patients = dark_spots()
PROBABILITY = np.where(y == 1, 0.9, 0.1)
PROBABILITY[[5, 1, 9]] = [0.4, 0.01, 0.2]  # missed
PROBABILITY[[2, 4]] = [0.5, 0.7]  # false alarms
DOUBTFUL = np.where(y == 1, 0.9, 0.1)
DOUBTFUL[[1, 9, 4]] = [0.01, 0.05, 0.94]  # contradict the label


def shown_images(display):
    return [axes.images[0].get_array() for axes in display.axes_.flat if axes.images]


def test_samples_are_balanced_and_stand_by_class():
    display = ImageGridDisplay.from_images(
        X, y, groups=patients, n_images=10, random_state=0
    )
    assert y[display.rows].tolist() == [0] * 5 + [1] * 5
    assert len(set(display.rows)) == 10
    for row, image, title in zip(
        display.rows, shown_images(display), display.titles, strict=True
    ):
        np.testing.assert_array_equal(image, X[row])
        name = ["uninfected", "parasitized"][y[row]]
        assert title == f"{name}\npatient {patients[row]}"


def test_a_rare_class_is_shown_as_a_whole():
    rare = np.zeros(48, dtype=int)
    rare[[3, 8]] = 1
    rows = ImageGridDisplay.from_images(X, rare, n_images=12, random_state=0).rows
    assert {3, 8} < set(rows)
    assert len(rows) == 12


def test_without_labels_any_image_is_drawn():
    display = ImageGridDisplay.from_images(X[:8], n_images=100)
    assert sorted(display.rows) == list(range(8))
    assert set(display.titles) == {""}


def test_an_integer_shows_the_same_samples_again():
    first, second = (
        ImageGridDisplay.from_images(X, y, random_state=7).rows for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("kind", "rows", "title"),
    [
        ("misses", [1, 9, 5], "3 of 24 parasitized cells missed"),
        ("false_alarms", [4, 2], "2 of 24 uninfected cells called parasitized"),
    ],
)
def test_the_worst_errors_come_first(kind, rows, title):
    display = ImageGridDisplay.from_predictions(
        X, y, PROBABILITY, groups=patients, kind=kind
    )
    assert display.rows.tolist() == rows
    assert display.title == f"{title} at threshold 0.5"
    assert display.titles == [
        f"p = {PROBABILITY[row]:.3f}\npatient {patients[row]}" for row in rows
    ]
    np.testing.assert_array_equal(shown_images(display), X[rows])


def test_the_title_counts_what_is_not_shown():
    display = ImageGridDisplay.from_predictions(X, y, PROBABILITY, n_images=2)
    assert display.rows.tolist() == [1, 9]
    assert display.title.startswith("3 of 24")
    assert display.title.endswith(": the worst 2")


def test_no_error_is_no_image():
    display = ImageGridDisplay.from_predictions(X, y, y)
    assert display.title == "0 of 24 parasitized cells missed at threshold 0.5"
    assert shown_images(display) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "hits"}, "kind='hits': expected one of 'misses', 'false_alarms'"),
        ({"threshold": 50}, r"threshold=50: expected a number in \[0, 1\]"),
        ({"n_images": 0}, "n_images=0: expected an integer in"),
        ({"y_prob": PROBABILITY[:, None]}, "y_prob"),
        ({"X": X[:-1]}, "expected one for each"),
    ],
)
def test_bad_arguments(changed, message):
    arguments = {"X": X, "y_true": y, "y_prob": PROBABILITY, **changed}
    with pytest.raises(ValueError, match=message):
        ImageGridDisplay.from_predictions(**arguments)


class TestLabelIssues:
    issues = label_issues(y, DOUBTFUL, patients)

    def test_issues_stand_in_the_order_of_their_table(self):
        display = ImageGridDisplay.from_label_issues(X, self.issues)
        rows = [1, 9, 4]
        assert self.issues.index.tolist() == rows
        assert display.rows.tolist() == rows
        assert display.title == "3 of 3 labels to look at again"
        assert display.titles == [
            f"labeled {name}\np = {DOUBTFUL[row]:.3f}\npatient {patients[row]}"
            for row, name in zip(
                rows, ["parasitized", "parasitized", "uninfected"], strict=True
            )
        ]
        np.testing.assert_array_equal(shown_images(display), X[rows])

    def test_the_first_rows_are_shown(self):
        display = ImageGridDisplay.from_label_issues(X, self.issues, n_images=2)
        assert display.rows.tolist() == [1, 9]
        assert display.title == "2 of 3 labels to look at again"

    def test_patients_need_not_be_known(self):
        display = ImageGridDisplay.from_label_issues(X, label_issues(y, DOUBTFUL))
        assert display.titles[0] == "labeled parasitized\np = 0.010"

    def test_no_issue_is_no_image(self):
        display = ImageGridDisplay.from_label_issues(X, self.issues[:0])
        assert display.title == "No label to look at again"
        assert shown_images(display) == []

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"issues": issues.reset_index()}, "issues has the index None"),
            ({"issues": issues.drop(columns="label")}, "the columns ['probability'"),
            ({"X": X[:9]}, "issues has cells up to 9, but X has 9 images"),
            ({"n_images": 0}, "n_images=0: expected an integer in"),
        ],
    )
    def test_bad_arguments(self, changed, message):
        arguments = {"X": X, "issues": self.issues, **changed}
        with pytest.raises(ValueError, match=re.escape(message)):
            ImageGridDisplay.from_label_issues(**arguments)

    def test_a_list_is_no_table(self):
        with pytest.raises(TypeError, match="issues is of type list"):
            ImageGridDisplay.from_label_issues(X, [1, 9])


@pytest.mark.parametrize(
    ("images", "white"),
    [(X, 255), (X / 255, 1), ((X / 255).astype(np.float32), 1)],
    ids=["uint8", "float64", "float32"],
)
def test_grey_images_are_drawn_on_one_scale(images, white):
    darker = (images[:4, ..., :1] * 0.5).astype(images.dtype)
    display = ImageGridDisplay.from_images(darker)
    for axes in display.axes_.flat:
        assert axes.images[0].get_clim() == (0, white)


@pytest.mark.parametrize("n_channels", [2, 6])
def test_channels_that_cannot_be_drawn_are_refused(n_channels):
    stacked = np.concatenate([X, X], axis=-1)[..., :n_channels]
    with pytest.raises(
        ValueError, match=f"X has {n_channels} channels, but .* 1 .gray"
    ):
        ImageGridDisplay.from_images(stacked)


@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_channels_that_can_be_drawn(n_channels):
    stacked = np.concatenate([X, X], axis=-1)[..., :n_channels]
    display = ImageGridDisplay.from_images(stacked, n_images=2)
    np.testing.assert_array_equal(
        shown_images(display), stacked[display.rows].squeeze()
    )
