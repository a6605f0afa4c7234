"""Reading of photographs of smears by patient."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from malariafuse._base import Estimator
from malariafuse._labels import positive_column_of
from malariafuse._parameters import (
    N_JOBS,
    RANDOM_STATE,
    Booleans,
    Instances,
    Integers,
    Nothing,
    Reals,
    Rules,
    check_parameter,
    check_parameters,
)
from malariafuse._warn import warn
from malariafuse.evaluation import PatientTest, cross_validate_patients
from malariafuse.model_selection import SlideAdapter
from malariafuse.patients._result import PatientResult
from malariafuse.smears import load_smear_photos


class SmearReader(Estimator):
    """Detect malaria in photographs of a patient's thin smear.

    The reader segments the red cells in the photographs, classifies each cell, tests
    whether the patient is infected, and estimates the parasitemia. It consists of a
    segmenter, a cell classifier and a :class:`~malariafuse.evaluation.PatientTest`,
    each of which can be replaced.

    Use :func:`malariafuse.pretrained.load_smear_reader` to load a fitted reader. Use
    `fit` to train a reader with your own classifier and labeled cells.

    Parameters
    ----------
    classifier : estimator
        Classifier of cell images with `predict_proba`, or a pipeline that ends in one.
        Its input is an array of shape (n_cells, height, width, 3), dtype uint8.
    patient_test : PatientTest or None, default=None
        Test of patients, fitted to out-of-fold probabilities. None uses
        ``PatientTest()``.
    slide_adapter : SlideAdapter or None, default=None
        Adapter of probabilities to the smear of each patient, fitted to out-of-fold
        probabilities. None does not adapt probabilities.
    segmenter : CellSegmenter, callable or None, default=None
        Segmenter of the cells, or a function from a photograph to a label image, as in
        :func:`malariafuse.smears.load_smear_photos`.
    image_size : tuple of (height, width), default=(48, 48)
        Size of the cell images for the classifier in pixels.
    red_cells_per_microliter : float, default=5_000_000
        Number of red cells per microliter of blood, used to convert the parasitized
        fraction to a density. Set it to the measured number if available.
    min_cells : int, default=100
        Minimum number of red cells for the verdict "not infected". With fewer cells,
        the verdict is "cannot be judged" instead.
    cv : int, splitter or iterable, default=5
        Folds by patient for out-of-fold probabilities, as in
        :func:`malariafuse.evaluation.cross_validate_patients`.
    upright : bool, default=False
        Whether to rotate photographs by their EXIF orientation.
    memory : path-like, joblib.Memory or None, default=None
        Cache of the cells of photographs, as in
        :func:`malariafuse.smears.load_smear_photos`.
    random_state : int, RandomState instance or None, default=None
        Random seed or generator of the folds.
    n_jobs : int or None, default=-1
        Number of threads that read photographs, as in
        :func:`malariafuse.smears.load_smear_photos`. -1 means one thread for each core.
        The folds of `fit` are distributed by a joblib context, and run sequentially
        otherwise.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    classifier_ : estimator
        Fitted classifier.
    patient_test_ : PatientTest
        Fitted test of patients.
    slide_adapter_ : SlideAdapter or None
        Fitted adapter.
    card_ : dict
        Model card, empty after `fit`.

    See Also
    --------
    malariafuse.pretrained.load_smear_reader : Load a fitted reader.
    malariafuse.smears.load_smear_photos : Load photographs and segment their cells.
    malariafuse.evaluation.PatientTest : Test whether a patient is infected.

    Notes
    -----
    A cell with several parasites is counted once. White blood cells, debris, clumps and
    cells cut by the border of a photograph are flagged and not counted. The cells of a
    photograph with the same pixels as another photograph of the patient are not counted
    again.

    Examples
    --------
    >>> import cv2
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from malariafuse import SpotFeatureExtractor
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.evaluation import PatientTest
    >>> from malariafuse.patients import SmearReader
    >>> cells = make_cell_images(400, 20, random_state=0)
    >>> reader = SmearReader(
    ...     make_pipeline(SpotFeatureExtractor(), LogisticRegression(max_iter=2000)),
    ...     patient_test=PatientTest(cell_specificity=0.97),
    ...     image_size=cells.images.shape[1:3],
    ...     random_state=0,
    ... ).fit(cells.images, cells.target, cells.groups)
    >>> photo = np.full((300, 400, 3), (235, 225, 230), dtype=np.uint8)
    >>> for x, y in [(80, 80), (200, 90), (120, 200), (330, 210)]:
    ...     _ = cv2.circle(photo, (x, y), 30, (200, 120, 150), cv2.FILLED)
    >>> result = reader.read([photo], "Ada")["Ada"]
    >>> result.n_cells, result.verdict
    (4, 'cannot be judged')
    """

    _parameter_rules: ClassVar[Rules] = {
        "patient_test": (Nothing(), Instances(PatientTest, "a PatientTest")),
        "slide_adapter": (Nothing(), Instances(SlideAdapter, "a SlideAdapter")),
        "red_cells_per_microliter": (Reals(0, open_at="low"),),
        "min_cells": (Integers(1),),
        "upright": (Booleans(),),
        "random_state": RANDOM_STATE,
        "n_jobs": N_JOBS,
        "verbose": (Booleans(),),
    }

    def __init__(
        self,
        classifier: Any,
        *,
        patient_test: PatientTest | None = None,
        slide_adapter: SlideAdapter | None = None,
        segmenter: Any = None,
        image_size: tuple[int, int] = (48, 48),
        red_cells_per_microliter: float = 5_000_000,
        min_cells: int = 100,
        cv: Any = 5,
        upright: bool = False,
        memory: Any = None,
        random_state: int | RandomState | None = None,
        n_jobs: int | None = -1,
        verbose: bool = False,
    ) -> None:
        self.classifier = classifier
        self.patient_test = patient_test
        self.slide_adapter = slide_adapter
        self.segmenter = segmenter
        self.image_size = image_size
        self.red_cells_per_microliter = red_cells_per_microliter
        self.min_cells = min_cells
        self.cv = cv
        self.upright = upright
        self.memory = memory
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike) -> Self:
        """Fit the classifier, the slide adapter and the test of patients.

        Parameters
        ----------
        X : array-like of shape (n_cells, height, width, 3)
            Images of single cells, uint8 in [0, 255], as returned by
            :func:`malariafuse.datasets.load_cell_images` and
            :func:`malariafuse.smears.load_smear_photos`.
        y : array-like of shape (n_cells,)
            Labels: 1 for a parasitized cell, 0 for an uninfected cell.
        groups : array-like of shape (n_cells,)
            Patient of each cell.

        Returns
        -------
        self : SmearReader
            Fitted reader.

        Raises
        ------
        ValueError
            If an argument or a parameter is invalid, or the probabilities do not
            distinguish parasitized from uninfected cells.
        """
        check_parameters(self)
        judged = cross_validate_patients(
            self.classifier,
            X,
            y,
            groups,
            cv=self.cv,
            random_state=self.random_state,
        )
        probability = judged.y_prob
        adapter = None
        if self.slide_adapter is not None:
            adapter = clone(self.slide_adapter).fit(y, probability, groups)
            probability = adapter.adapt(probability, groups)
        test = PatientTest() if self.patient_test is None else clone(self.patient_test)
        self.patient_test_ = test.fit(y, probability, groups)
        self.slide_adapter_ = adapter
        self.classifier_ = clone(self.classifier).fit(X, y)
        self.card_: dict[str, Any] = {}
        return self

    @classmethod
    def from_fitted(
        cls,
        classifier: Any,
        patient_test: PatientTest,
        slide_adapter: SlideAdapter | None = None,
        *,
        card: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> "SmearReader":
        """Create a reader from fitted parts.

        Parameters
        ----------
        classifier : estimator
            Fitted classifier of cell images.
        patient_test : PatientTest
            Test fitted to out-of-fold probabilities of the classifier.
        slide_adapter : SlideAdapter or None, default=None
            Adapter fitted to the same probabilities.
        card : mapping or None, default=None
            Model card, shown in reports.
        **parameters : dict
            Other parameters of the reader.

        Returns
        -------
        SmearReader
            Fitted reader.

        Raises
        ------
        ValueError, TypeError
            If a parameter is invalid.
        NotFittedError
            If a part is not fitted.
        """
        reader = cls(
            classifier,
            patient_test=patient_test,
            slide_adapter=slide_adapter,
            **parameters,
        )
        check_parameters(reader)
        check_parameter(
            "patient_test", patient_test, (Instances(PatientTest, "a PatientTest"),)
        )
        for part in (classifier, patient_test, slide_adapter):
            if part is not None:
                check_is_fitted(part)
        reader.classifier_ = classifier
        reader.patient_test_ = patient_test
        reader.slide_adapter_ = slide_adapter
        reader.card_ = dict(card or {})
        return reader

    def read(self, photos: Any, patients: Any = None) -> dict[Any, PatientResult]:
        """Read the photographs of one or more patients.

        Parameters
        ----------
        photos : str, path-like, sequence, DataFrame or mapping
            Photographs, as in :func:`malariafuse.smears.load_smear_photos`: a folder, a
            list of paths or arrays, a table with the columns "path" and "patient", or a
            dict from patients to folders or lists.
        patients : label or array-like of shape (n_photos,), default=None
            Patient of each photograph, or a single patient for all photographs, if
            `photos` does not contain the patients. If both are missing, all photographs
            belong to one unnamed patient.

        Returns
        -------
        dict of object to PatientResult
            Result by patient. The key of an unnamed patient is None.

        Raises
        ------
        ImageReadError
            If no photograph of a patient can be read. Otherwise, unreadable photographs
            are skipped with a warning.
        FileNotFoundError
            If a folder has no photograph, or no file matches a pattern.
        ValueError, TypeError
            If an argument or a parameter is invalid.

        Warns
        -----
        UserWarning
            If a photograph cannot be read or cannot be judged, is unlike the other
            photographs of its patient, or belongs to two patients. The messages are
            also in the result.
        """
        check_is_fitted(self)
        check_parameters(self)
        results: dict[Any, PatientResult] = {}
        patient_of: dict[str, Any] = {}
        for patient, of_patient in _by_patient(photos, patients).items():
            result = self._read_patient(patient, of_patient)
            message = _of_others(result, patient_of)
            if message:
                warn(message)
                result = replace(result, warnings=(*result.warnings, message))
            results[patient] = result
        return results

    def _read_patient(self, patient: Any, photos: Any) -> PatientResult:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            cells = load_smear_photos(
                # Photographs of one patient are compared with each other.
                {"smear": photos},
                segmenter=self.segmenter,
                image_size=self.image_size,
                keep_flagged=True,
                upright=self.upright,
                on_error="skip",
                memory=self.memory,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
            result = self._judge(patient, cells)
        messages = []
        for warning in caught:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
            if issubclass(warning.category, UserWarning):
                messages.append(str(warning.message))
        return replace(result, warnings=tuple(dict.fromkeys(messages)))

    def _judge(self, patient: Any, cells: Bunch) -> PatientResult:
        table = pd.DataFrame(cells.boxes, columns=["x", "y", "width", "height"])
        table.insert(0, "photo", cells.photo)
        again = cells.photos["same_as"].to_numpy() != ""
        flags = np.where(again[cells.photo], "counted before", cells.flags)
        table["area"], table["flag"] = cells.areas, flags
        red = flags == ""
        table["probability"] = np.nan
        test, photos = self.patient_test_, cells.photos.drop(columns="patient")
        answer: dict[str, Any] = dict.fromkeys(
            ("p_value", "fraction", "low", "high"), np.nan
        )
        answer |= {"verdict": "cannot be judged", "cells": 0, "counted": 0, "needed": 1}
        of_photos = pd.DataFrame(
            columns=["counted", "fraction", "low", "high"], dtype=float
        )
        if red.any():
            probability = self._probability(cells.images[red])
            table.loc[red, "probability"] = probability
            answer = test.test(probability, "patient").iloc[0].to_dict()
            of_photos = test.test(probability, cells.photo[red])
            if answer["verdict"] == "not infected" and red.sum() < self.min_cells:
                answer["verdict"] = "cannot be judged"
        table["counted"] = table["probability"] >= test.cell_threshold_
        of_photos = of_photos.reindex(range(len(photos)))
        photos["n_counted"] = of_photos["counted"].fillna(0).astype(int)
        for column in ("fraction", "low", "high"):
            photos[column] = of_photos[column].astype(float)
        return PatientResult(
            patient=patient,
            verdict=str(answer["verdict"]),
            p_value=float(answer["p_value"]),
            n_cells=int(answer["cells"]),
            n_counted=int(answer["counted"]),
            needed=int(answer["needed"]),
            threshold=test.cell_threshold_,
            fraction=float(answer["fraction"]),
            low=float(answer["low"]),
            high=float(answer["high"]),
            confidence_level=test.confidence_level,
            red_cells_per_microliter=self.red_cells_per_microliter,
            photos=photos,
            cells=table,
            masks=cells.masks,
            sources=cells.sources,
            upright=bool(self.upright),
            card=self.card_,
        )

    def _probability(self, images: Any) -> Any:
        classifier = self.classifier_
        column = positive_column_of(classifier)
        probability = classifier.predict_proba(images)[:, column]
        if self.slide_adapter_ is not None:
            probability = self.slide_adapter_.adapt(probability, "smear")
        return probability


def _of_others(result: PatientResult, patient_of: dict[str, Any]) -> str:
    """Return a warning of photographs of patients read before, or "".

    `patient_of` gets the photographs of this patient.
    """
    shared = [
        f"{name} (patient {patient_of[digest]!s})"
        for name, digest in zip(
            result.photos["name"], result.photos["digest"], strict=True
        )
        if digest in patient_of
    ]
    for digest in result.photos["digest"]:
        patient_of.setdefault(digest, result.patient)
    if not shared:
        return ""
    return (
        f"{len(shared)} photograph(s) of patient {result.patient!s} have the same "
        f"pixels as one of another patient: {', '.join(shared[:5])}. At least one "
        "patient is wrong."
    )


def _by_patient(photos: Any, patients: Any) -> dict[Any, Any]:
    """Yield the photographs of each patient, one patient at a time."""
    if isinstance(photos, Mapping):
        if patients is not None:
            raise ValueError(
                "patients is given, but photos is a dict from patients: expected only "
                "one of them."
            )
        if not photos:
            raise ValueError("photos is empty: expected at least one patient.")
        return dict(photos)
    if isinstance(photos, pd.DataFrame) and "patient" in photos:
        if patients is not None:
            raise ValueError(
                "patients is given, but photos has a column 'patient': expected only "
                "one of them."
            )
        if photos["patient"].isna().any():
            raise ValueError(
                "photos has missing values in the column 'patient': expected the "
                "patient of each photograph."
            )
        return {
            patient: of_patient.drop(columns="patient")
            for patient, of_patient in photos.groupby("patient", sort=False)
        }
    if patients is None or isinstance(patients, str) or np.isscalar(patients):
        return {patients: photos}
    if isinstance(photos, str) or not hasattr(photos, "__len__"):
        raise ValueError(
            "patients is a list, but photos is a folder or a pattern: expected a list "
            "of photographs, or a single patient."
        )
    if len(patients) != len(photos):
        raise ValueError(
            f"patients has {len(patients)} entries for {len(photos)} photographs: "
            "expected one for each photograph."
        )
    of: dict[Any, list[Any]] = {}
    for photo, patient in zip(photos, patients, strict=True):
        of.setdefault(patient, []).append(photo)
    return of
