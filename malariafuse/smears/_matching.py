"""Comparison of detected boxes with true boxes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from malariafuse._arrays import as_array, as_labels, check_length, real_numbers
from malariafuse._bunch import Bunch
from malariafuse._parameters import Reals, check_parameter
from malariafuse._texts import text_column

_THRESHOLD = (Reals(0, 1, open_at="low"),)


def match_boxes(
    boxes_true: ArrayLike, boxes_pred: ArrayLike, *, iou_threshold: float = 0.5
) -> pd.DataFrame:
    """Match detected boxes to true boxes of one photograph, one to one.

    Parameters
    ----------
    boxes_true : array-like of shape (n_true, 4)
        True boxes: x and y of the top left corner, width and height.
    boxes_pred : array-like of shape (n_pred, 4)
        Detected boxes, with the same columns.
    iou_threshold : float, default=0.5
        Minimum intersection over union (IoU) of a match, in (0, 1].

    Returns
    -------
    pandas.DataFrame
        One row for each match, with the following columns:

        true, pred : int
            Indices in `boxes_true` and `boxes_pred`.
        iou : float
            Intersection over union of the two boxes.

    Raises
    ------
    ValueError
        If boxes are not of shape (n, 4), have a width or height that is not positive,
        or `iou_threshold` is not in (0, 1].

    See Also
    --------
    detection_scores : Compute detection metrics over many photographs.

    Notes
    -----
    The number of matches is maximal. Among all such matchings, the sum of the IoU is
    maximal (Hungarian algorithm).

    Examples
    --------
    >>> from malariafuse.smears import match_boxes
    >>> match_boxes([[0, 0, 10, 10]], [[50, 0, 10, 10], [0, 2, 10, 10]])
       true  pred       iou
    0     0     1  0.666667
    """
    check_parameter("iou_threshold", iou_threshold, _THRESHOLD)
    true = _check_boxes(boxes_true, "boxes_true")
    pred = _check_boxes(boxes_pred, "boxes_pred")
    iou = _intersection_over_union(true, pred)
    # Tolerance, so that rounding does not reject boxes exactly at the threshold.
    fit = iou >= iou_threshold - 1e-12
    # One more match outweighs any gain in overlap.
    value = np.where(fit, iou + min(iou.shape) + 1, 0)
    rows, columns = linear_sum_assignment(value, maximize=True)
    kept = fit[rows, columns]
    rows, columns = rows[kept], columns[kept]
    return pd.DataFrame({"true": rows, "pred": columns, "iou": iou[rows, columns]})


def detection_scores(
    boxes_true: ArrayLike,
    boxes_pred: ArrayLike,
    *,
    photo_true: ArrayLike | None = None,
    photo_pred: ArrayLike | None = None,
    iou_threshold: float = 0.5,
) -> Bunch:
    """Compute detection metrics of boxes, by photograph and pooled.

    Parameters
    ----------
    boxes_true : array-like of shape (n_true, 4)
        True boxes: x and y of the top left corner, width and height.
    boxes_pred : array-like of shape (n_pred, 4)
        Detected boxes, with the same columns.
    photo_true, photo_pred : array-like of shape (n_true,) and (n_pred,), default=None
        Photograph of each box, a number or a name. None for both means that all boxes
        are of one photograph.
    iou_threshold : float, default=0.5
        Minimum intersection over union (IoU) of a match, in (0, 1].

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        by_photo : pandas.DataFrame
            One row for each photograph, with the columns ``n_true``, ``n_pred``,
            ``tp``, ``fp``, ``fn``, ``precision``, ``recall``, ``f1``, ``mean_iou`` of
            the matches, and ``count_error``, (n_pred - n_true) / n_true. Undefined
            values are NaN.
        pooled : pandas.Series
            The same metrics of all boxes together, and ``mean_absolute_count_error``,
            the mean of the absolute count errors of the photographs.

    Raises
    ------
    ValueError
        If boxes are invalid, only one of `photo_true` and `photo_pred` is given, or
        lengths do not match.

    See Also
    --------
    match_boxes : Match the boxes of one photograph.

    Notes
    -----
    A photograph without true boxes or without detected boxes is included if it occurs
    in `photo_true` or `photo_pred`.

    Examples
    --------
    >>> from malariafuse.smears import detection_scores
    >>> scores = detection_scores(
    ...     [[0, 0, 10, 10], [30, 0, 10, 10]], [[1, 0, 10, 10]],
    ...     photo_true=["a", "b"], photo_pred=["a"],
    ... )
    >>> scores.by_photo[["tp", "fp", "fn"]]
           tp  fp  fn
    photo
    a       1   0   0
    b       0   0   1
    >>> round(float(scores.pooled["f1"]), 3)
    0.667
    """
    true = _check_boxes(boxes_true, "boxes_true")
    pred = _check_boxes(boxes_pred, "boxes_pred")
    photos, of_true, of_pred = _photos(photo_true, photo_pred, len(true), len(pred))
    rows, overlaps = [], []
    for photo in range(len(photos)):
        here, there = true[of_true == photo], pred[of_pred == photo]
        iou = match_boxes(here, there, iou_threshold=iou_threshold)["iou"]
        rows.append(_scores(len(here), len(there), iou.to_numpy()))
        overlaps.append(iou.to_numpy())
    by_photo = pd.DataFrame(rows, index=pd.Index(text_column(photos), name="photo"))
    pooled = pd.Series(_scores(len(true), len(pred), np.concatenate(overlaps)))
    pooled["mean_absolute_count_error"] = by_photo["count_error"].abs().mean()
    return Bunch(by_photo=by_photo, pooled=pooled)


def _scores(n_true: int, n_pred: int, iou: NDArray[np.float64]) -> dict[str, Any]:
    tp = len(iou)

    def share(part: float, whole: float) -> float:
        return part / whole if whole else np.nan

    return {
        "n_true": n_true,
        "n_pred": n_pred,
        "tp": tp,
        "fp": n_pred - tp,
        "fn": n_true - tp,
        "precision": share(tp, n_pred),
        "recall": share(tp, n_true),
        "f1": share(2 * tp, n_true + n_pred),
        "mean_iou": share(float(iou.sum()), tp),
        "count_error": share(n_pred - n_true, n_true),
    }


def _photos(
    photo_true: ArrayLike | None, photo_pred: ArrayLike | None, n_true: int, n_pred: int
) -> tuple[list[Any], NDArray[np.intp], NDArray[np.intp]]:
    """Return the photographs, and the index of the photograph of each box."""
    if photo_true is None and photo_pred is None:
        return [0], np.zeros(n_true, np.intp), np.zeros(n_pred, np.intp)
    if photo_true is None or photo_pred is None:
        missing = "photo_true" if photo_true is None else "photo_pred"
        raise ValueError(
            f"{missing} is None: expected the photograph of each box, as for the other "
            "boxes, or None for both."
        )
    of = []
    for values, n, which in (
        (photo_true, n_true, "true"),
        (photo_pred, n_pred, "pred"),
    ):
        name = f"photo_{which}"
        given = as_labels(values, name).tolist() if np.size(values) else []
        check_length(given, n, name=name, of=f"boxes of boxes_{which}")
        of.append(given)
    names = list(dict.fromkeys(of[0] + of[1]))
    if not names:
        return [0], np.zeros(0, np.intp), np.zeros(0, np.intp)
    place = {name: i for i, name in enumerate(names)}
    true, pred = (np.array([place[name] for name in names], np.intp) for names in of)
    return names, true, pred


def _check_boxes(boxes: ArrayLike, name: str) -> NDArray[np.float64]:
    array = as_array(boxes, name)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(
            f"{name} has shape {array.shape}: expected (n_boxes, 4) with x, y, width "
            "and height."
        )
    values = real_numbers(array, name)
    if not np.isfinite(values).all() or (values[:, 2:] <= 0).any():
        raise ValueError(
            f"{name} has a non-positive width or height, or values that are not "
            "finite: expected x, y, width and height, not two corners."
        )
    return values


def _intersection_over_union(
    true: NDArray[np.float64], pred: NDArray[np.float64]
) -> NDArray[np.float64]:
    first = np.maximum(true[:, None, :2], pred[None, :, :2])
    last = np.minimum(
        (true[:, :2] + true[:, 2:])[:, None], (pred[:, :2] + pred[:, 2:])[None]
    )
    shared = np.clip(last - first, 0, None).prod(axis=2)
    areas = true[:, 2:].prod(axis=1)[:, None] + pred[:, 2:].prod(axis=1)[None]
    return np.asarray(shared / (areas - shared))
