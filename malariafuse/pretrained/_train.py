"""Training of models on labeled cells."""

import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from malariafuse._arrays import check_length
from malariafuse._bunch import Bunch
from malariafuse._cells import check_both_classes, check_target
from malariafuse._images import check_images
from malariafuse._parameters import (
    Instances,
    Nothing,
    Reals,
    check_parameter,
)
from malariafuse._patients import check_patients
from malariafuse._warn import warn
from malariafuse.evaluation import PatientTest, cross_validate_patients, summarize
from malariafuse.model_selection import SlideAdapter, choose_threshold
from malariafuse.preprocessing import BackgroundMasker, ImageLoader
from malariafuse.quality import CellGuard

_PATIENT_TEST = (
    "cell_threshold_",
    "false_positive_rate_",
    "false_positive_correlation_",
    "sensitivity_",
    "sensitivity_correlation_",
)


def train_pretrained(
    classifier: Any,
    images: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    min_specificity: float = 0.96,
    cv: Any = 3,
    slide_adapter: SlideAdapter | None = None,
    patient_test: PatientTest | None = None,
    card: Mapping[str, Any] | None = None,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Train a classifier of cells with threshold, slide adapter and test of patients.

    The threshold, the slide adapter and the test of patients are fitted to out-of-fold
    probabilities, by patient. Then the classifier is fitted to all cells. It becomes
    the last step of a pipeline that takes files.

    Parameters
    ----------
    classifier : estimator
        Classifier of cell images with `predict_proba`, or a pipeline that ends in one.
        It is cloned.
    images : array-like of shape (n_cells, height, width, 3)
        RGB images of single cells, uint8 in [0, 255]. A background that is not black is
        set to black.
    y : array-like of shape (n_cells,)
        Labels: 1 for a parasitized cell, 0 for an uninfected cell.
    groups : array-like of shape (n_cells,)
        Patient of each cell.
    min_specificity : float, default=0.96
        Minimum out-of-fold specificity of the threshold, in (0, 1].
    cv : int, splitter or iterable, default=3
        Folds by patient, as in
        :func:`malariafuse.evaluation.cross_validate_patients`.
    slide_adapter : SlideAdapter, default=None
        Slide adapter, which is cloned and fitted with the chosen threshold. None uses
        ``SlideAdapter()``.
    patient_test : PatientTest, default=None
        Test of patients, which is cloned and fitted. None uses ``PatientTest()``.
    card : mapping, default=None
        Additional entries of the model card, such as "training_data".
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the folds.

    Returns
    -------
    model : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        pipeline : Pipeline
            Fitted pipeline from files to decisions, with the steps "load", "mask",
            "guard" and those of `classifier`.
        slide_adapter : SlideAdapter or None
            Fitted adapter, or None if it could not be fitted.
        patient_test : PatientTest or None
            Fitted test of patients, or None if it could not be fitted.
        card : dict
            Model card.
        y_prob : ndarray of shape (n_cells,), dtype float64
            Out-of-fold probability of "parasitized".

    Raises
    ------
    ValueError, TypeError
        If an argument is invalid.

    Warns
    -----
    UserWarning
        If the adapter or the test of patients could not be fitted, for example with few
        patients. The pipeline is trained anyway.

    See Also
    --------
    save_pretrained : Save the model.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from malariafuse import SpotFeatureExtractor
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.evaluation import PatientTest
    >>> from malariafuse.model_selection import SlideAdapter
    >>> from malariafuse.pretrained import train_pretrained
    >>> cells = make_cell_images(300, 12, random_state=0)
    >>> model = train_pretrained(
    ...     make_pipeline(SpotFeatureExtractor(), LogisticRegression(max_iter=5000)),
    ...     cells.images,
    ...     cells.target,
    ...     cells.groups,
    ...     slide_adapter=SlideAdapter(min_cells=3),
    ...     patient_test=PatientTest(cell_specificity=0.96),
    ...     random_state=0,
    ... )
    >>> list(model.pipeline.named_steps)
    ['load', 'mask', 'guard', 'spotfeatureextractor', 'classify']
    >>> model.card["training_data"]["patients"]
    12
    """
    check_parameter("min_specificity", min_specificity, (Reals(0, 1, open_at="low"),))
    check_parameter(
        "patient_test",
        patient_test,
        (Nothing(), Instances(PatientTest, "a PatientTest")),
    )
    check_parameter(
        "slide_adapter",
        slide_adapter,
        (Nothing(), Instances(SlideAdapter, "a SlideAdapter")),
    )
    check_parameter("card", card, (Nothing(), Instances(Mapping, "a model card")))
    cells = check_images(images, name="images", channels=3)
    target = check_target(y, name="y")
    check_both_classes(target, name="y")
    check_length(cells, len(target), name="images")
    cluster, names = check_patients(groups, len(target), at_least=2)
    patients = names[cluster]
    adapter = SlideAdapter() if slide_adapter is None else clone(slide_adapter)
    test = PatientTest() if patient_test is None else patient_test
    _check_enough(target, test.cell_specificity)
    masked = BackgroundMasker(on_error="keep").fit_transform(cells)
    y_prob = cross_validate_patients(
        classifier, masked, target, patients, cv=cv, random_state=random_state
    ).y_prob
    threshold = choose_threshold(target, y_prob, min_specificity=min_specificity)
    model = assemble(
        clone(classifier).fit(masked, target),
        masked,
        target,
        patients,
        y_prob,
        slide_adapter=adapter.set_params(threshold=threshold),
        patient_test=test,
    )
    model.card = {
        **_card(target, patients, y_prob, threshold, min_specificity, model),
        **(card or {}),
    }
    return model


def assemble(
    classifier: Any,
    masked: NDArray[Any],
    target: NDArray[np.int64],
    patients: NDArray[Any],
    y_prob: NDArray[np.float64],
    *,
    slide_adapter: SlideAdapter,
    patient_test: PatientTest,
) -> Bunch:
    """Assemble the pipeline of a fitted classifier with adapter and test.

    Parameters
    ----------
    classifier : estimator
        Classifier fitted to `masked`, or a pipeline that ends in one.
    masked : ndarray of shape (n_cells, height, width, 3)
        Images of cells on black.
    target, patients, y_prob : ndarray of shape (n_cells,)
        Labels, patients and out-of-fold probabilities.
    slide_adapter : SlideAdapter
        Adapter to fit, with the threshold of the classifier.
    patient_test : PatientTest
        Test to fit.

    Returns
    -------
    Bunch
        "pipeline", "slide_adapter", "patient_test" and "y_prob".
    """
    adapter = _fitted("slide adapter", slide_adapter, target, y_prob, patients)
    adapted = y_prob if adapter is None else adapter.adapt(y_prob, patients)
    test = _fitted("test of patients", patient_test, target, adapted, patients)
    before, last = [], classifier
    if isinstance(classifier, Pipeline):
        *before, (_, last) = classifier.steps
    pipeline = Pipeline(
        [
            ("load", ImageLoader(image_size=masked.shape[1:3])),
            ("mask", BackgroundMasker(on_error="keep").fit(masked)),
            ("guard", CellGuard().fit(masked)),
            *before,
            ("classify", _with_threshold(last, slide_adapter.threshold)),
        ]
    )
    return Bunch(
        pipeline=pipeline, slide_adapter=adapter, patient_test=test, y_prob=y_prob
    )


def patient_test_numbers(patient_test: PatientTest) -> dict[str, float]:
    """Return the fitted values of a test of patients for a model card."""
    return {
        name.removesuffix("_"): round(float(getattr(patient_test, name)), 5)
        for name in _PATIENT_TEST
    }


def _check_enough(target: NDArray[np.int64], cell_specificity: float) -> None:
    """Raise before training if the test of patients cannot be fitted."""
    n_uninfected, needed = int((target == 0).sum()), 1 / (1 - cell_specificity)
    if n_uninfected < needed:
        raise ValueError(
            f"y has {n_uninfected:,} uninfected cells: a test of patients with "
            f"cell_specificity={cell_specificity} requires {needed:,.0f}. Add cells, "
            "or decrease cell_specificity."
        )


def _fitted(
    name: str,
    part: Any,
    target: NDArray[np.int64],
    y_prob: NDArray[np.float64],
    patients: NDArray[Any],
) -> Any:
    try:
        return clone(part).fit(target, y_prob, patients)
    except ValueError as error:
        warn(f"The model has no {name}, and works without it: {error}")
        return None


def _with_threshold(classifier: BaseEstimator, threshold: float) -> BaseEstimator:
    if "threshold" in classifier.get_params(deep=False):
        return classifier.set_params(threshold=threshold)
    fixed = FixedThresholdClassifier(FrozenEstimator(classifier), threshold=threshold)
    # All parts are already fitted.
    return fixed.fit(np.zeros((2, 1)), [0, 1])


def _card(
    target: NDArray[np.int64],
    patients: NDArray[Any],
    y_prob: NDArray[np.float64],
    threshold: float,
    min_specificity: float,
    model: Bunch,
) -> dict[str, Any]:
    table = summarize(target, y_prob, patients, threshold=threshold, random_state=0)
    counts = {
        "patients": len(np.unique(patients)),
        "cells": len(target),
        "parasitized": int(target.sum()),
    }
    card = {
        "classes": {"0": "uninfected", "1": "parasitized"},
        "task": "Classify images of single red blood cells in Giemsa-stained thin "
        "blood smears as parasitized by Plasmodium or uninfected.",
        "intended_use": "Research, teaching, and a second look at cells. Not a "
        "medical device, and not for diagnosis without a reader.",
        "training_data": counts,
        "threshold": {
            "value": threshold,
            "chosen_by": f"highest sensitivity at a specificity of {min_specificity} "
            "out of fold",
        },
        "out_of_fold": {
            "data": "cells of patients that were not trained on, of the training data",
            "patients": counts["patients"],
            "cells": counts["cells"],
            "threshold": threshold,
            "measures": {
                # NaN, for undefined values, is not valid JSON.
                str(name): [
                    round(float(each), 4) if np.isfinite(each) else None for each in row
                ]
                for name, row in table[["value", "low", "high"]].iterrows()
            },
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }
    if model.patient_test is not None:
        card["patient_test"] = patient_test_numbers(model.patient_test)
    return card


def _versions() -> dict[str, str]:
    """Return the installed versions of the libraries for training."""
    found = {}
    for name in ("keras", "tensorflow", "scikit-learn"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
