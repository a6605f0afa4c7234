"""Detection of label issues from out-of-fold probabilities."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from malariafuse._cells import check_cells, warn_of_suspicious
from malariafuse._patients import check_patients
from malariafuse._texts import text_column


def label_issues(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    pos_label: Any = None,
) -> pd.DataFrame:
    """Find cells whose label is confidently contradicted by the classifier.

    Parameters
    ----------
    y_true : array-like of shape (n_cells,)
        True labels: 1 for a parasitized cell, 0 for an uninfected cell. Other labels
        require `pos_label`.
    y_prob : array-like of shape (n_cells,)
        Out-of-fold probabilities of the positive class, in [0, 1]. Probabilities of
        training cells are not suitable, because they reproduce the labels, right or
        wrong.
    groups : array-like of shape (n_cells,), default=None
        Patient of each cell, for the column "patient".
    pos_label : int, float, bool or str, default=None
        Label of the positive (parasitized) class. None requires the labels 0 and 1, or
        booleans.

    Returns
    -------
    DataFrame of shape (n_issues, 3 or 4)
        One row for each issue, in ascending order of "self_confidence". The index,
        "position", is the position in `y_true`. The columns are the "label", the
        "probability" of the positive class, the "self_confidence", which is the
        probability of the labeled class, and the "patient" if `groups` is given.

    Raises
    ------
    ValueError
        If an argument is invalid, or `y_true` has only one class.

    Warns
    -----
    UserWarning
        If `y_prob` has only two distinct values, or the ROC AUC is below 0.5.

    Notes
    -----
    This is confident learning [1]_ with two classes. A class is confidently predicted
    if its probability is at least the mean probability of that class among the cells
    labeled with it. If both classes qualify, the more probable one is used. A label is
    an issue if the other class is confidently predicted. Because the thresholds are
    means, low confidence in one class as a whole is not mistaken for label issues.

    An issue is only a reason to look at the image again: a classifier with systematic
    errors also lists correct labels.
    **Never remove cells from a test set because of an issue.** Errors of the classifier
    would be removed together with wrong labels, and every metric would improve. Metrics
    with and without the issues may be reported together to show how much they depend on
    the labels. A second expert, blinded to labels and probabilities, can correct the
    labels.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating
       Uncertainty in Dataset Labels", Journal of Artificial Intelligence Research 70,
       2021, pages 1373 to 1411, https://doi.org/10.1613/jair.1.12125

    Examples
    --------
    >>> from malariafuse.evaluation import label_issues
    >>> y_true = [1, 1, 1, 1, 0, 0, 0, 0]
    >>> y_prob = [0.9, 0.8, 0.9, 0.02, 0.1, 0.2, 0.45, 0.97]
    >>> label_issues(y_true, y_prob, ["C1", "C1", "C2", "C2", "C3", "C3", "C4", "C4"])
              label  probability  self_confidence patient
    position
    3             1         0.02             0.02      C2
    7             0         0.97             0.03      C4
    """
    cells = check_cells(y_true, y_prob, None, pos_label=pos_label, groups_optional=True)
    warn_of_suspicious(cells)
    if groups is not None:
        check_patients(groups, len(cells.target))
    positive = cells.target == 1
    support_of_positive, support_of_negative = cells.probability, 1 - cells.probability
    confidently_positive = support_of_positive >= support_of_positive[positive].mean()
    confidently_negative = support_of_negative >= support_of_negative[~positive].mean()
    more_probable = support_of_positive > support_of_negative
    issue = np.where(
        positive,
        confidently_negative & ~(confidently_positive & more_probable),
        confidently_positive & (~confidently_negative | more_probable),
    )
    table = pd.DataFrame(
        {
            "label": cells.target if pos_label is None else np.asarray(y_true),
            "probability": cells.probability,
            "self_confidence": np.where(
                positive, support_of_positive, support_of_negative
            ),
        }
    ).rename_axis("position")
    if groups is not None:
        table["patient"] = text_column(np.asarray(groups))
    return table[issue].sort_values("self_confidence", kind="stable")
