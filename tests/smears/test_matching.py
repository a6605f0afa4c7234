import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from malariafuse.smears import detection_scores, match_boxes

SQUARE = [0, 0, 10, 10]


def test_iou_is_the_shared_area_over_the_covered_one():
    # Shifted by 2 of 10: shared 8 * 10, covered 2 * 100 - 80.
    matches = match_boxes([SQUARE], [[2, 0, 10, 10]])
    assert_allclose(matches["iou"], 80 / 120)


@pytest.mark.parametrize(("threshold", "n_matches"), [(0.5, 1), (0.51, 0)])
def test_a_box_that_just_reaches_the_threshold_matches(threshold, n_matches):
    # Half of the width: shared 50, covered 100.
    matches = match_boxes([SQUARE], [[0, 0, 5, 10]], iou_threshold=threshold)
    assert len(matches) == n_matches


def test_there_are_as_many_matches_as_can_be():
    # The second box fits both true ones. It fits the first one best, which a greedy
    # matching would take, and leave the second true one without a box.
    true = [[0, 0, 10, 10], [4, 0, 10, 10]]
    pred = [[0, 0, 10, 8], [0.5, 0, 10, 10]]
    greedy_best = match_boxes(true[:1], pred, iou_threshold=0.3)["pred"].item()
    assert greedy_best == 1
    matches = match_boxes(true, pred, iou_threshold=0.3)
    assert matches[["true", "pred"]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_scores_by_photograph_and_pooled():
    scores = detection_scores(
        [SQUARE, [30, 0, 10, 10], SQUARE, SQUARE],
        [SQUARE, [60, 0, 10, 10], [0, 0, 10, 5], SQUARE],
        photo_true=["a", "a", "b", "c"],
        photo_pred=["a", "a", "b", "d"],
    )
    by_photo = scores.by_photo
    assert by_photo.index.tolist() == ["a", "b", "c", "d"]
    assert by_photo["tp"].tolist() == [1, 1, 0, 0]
    assert by_photo["fp"].tolist() == [1, 0, 0, 1]
    assert by_photo["fn"].tolist() == [1, 0, 1, 0]
    assert_allclose(by_photo["f1"], [2 / 4, 1, 0, 0])
    assert_allclose(by_photo["count_error"], [0, 0, -1, np.nan])
    pooled = scores.pooled
    assert_allclose(pooled["precision"], 2 / 4)
    assert_allclose(pooled["recall"], 2 / 4)
    assert_allclose(pooled["f1"], 4 / 8)
    assert_allclose(pooled["mean_iou"], (1 + 0.5) / 2)
    assert_allclose(pooled["mean_absolute_count_error"], (0 + 0 + 1) / 3)


def test_nothing_found_and_nothing_there():
    scores = detection_scores([], []).pooled
    assert scores["n_true"] == scores["n_pred"] == 0
    assert np.isnan(scores["f1"])
    assert len(match_boxes([SQUARE], [])) == 0


boxes = st.lists(
    st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 20)] * 2), max_size=8
)


@given(boxes, boxes)
def test_a_match_is_one_to_one_and_changes_no_side(true, pred):
    forth = match_boxes(true, pred)
    back = match_boxes(pred, true)
    assert forth["true"].is_unique
    assert forth["pred"].is_unique
    assert (forth["iou"] >= 0.5 - 1e-9).all()
    assert len(forth) == len(back)
    assert_allclose(forth["iou"].sum(), back["iou"].sum())


@given(boxes)
def test_boxes_match_themselves(found):
    assert len(match_boxes(found, found, iou_threshold=1)) == len(found)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"boxes_true": [[0, 0, 1]]}, r"boxes_true has shape \(1, 3\)"),
        (
            {"boxes_pred": [[9, 9, 3, -2]]},
            "boxes_pred has a non-positive width or height",
        ),
        ({"boxes_pred": [[0, 0, np.nan, 1]]}, "not finite"),
        ({"photo_true": ["a"]}, "photo_pred is None"),
        (
            {"photo_true": ["a", "b"], "photo_pred": ["a"]},
            "photo_true has 2 entries for 1 boxes of boxes_true",
        ),
        ({"iou_threshold": 0}, "iou_threshold=0: expected a number in"),
    ],
)
def test_bad_input_is_named(arguments, match):
    given = {"boxes_true": [SQUARE], "boxes_pred": [SQUARE]} | arguments
    with pytest.raises(ValueError, match=match):
        detection_scores(given.pop("boxes_true"), given.pop("boxes_pred"), **given)
