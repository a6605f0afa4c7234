"""Which tools of scikit-learn take images, as the user guide lists them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE, SelectKBest, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import resample, shuffle
from support import dark_spots

from malariafuse import ImageLoader, SpotFeatureExtractor

X, Y, GROUPS = dark_spots(60, size=8)
TWO_TARGETS = np.column_stack([Y, Y])
THREE_CLASSES = np.arange(len(Y)) % 3


class MeanColorClassifier(ClassifierMixin, BaseEstimator):
    """As the classifiers here it takes images; it is fitted in no time."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y, sample_weight=None):
        colors = self._colors(X)
        self.linear_ = LogisticRegression(C=self.C).fit(colors, y, sample_weight)
        self.classes_ = self.linear_.classes_
        return self

    def predict(self, X):
        return self.linear_.predict(self._colors(X))

    def predict_proba(self, X):
        return self.linear_.predict_proba(self._colors(X))

    def _colors(self, X):
        assert X.ndim == 4
        return X.mean(axis=(1, 2)) / 255


ONE = MeanColorClassifier()
FITTED = MeanColorClassifier().fit(X, Y)
MEMBERS = [("a", ONE), ("b", ONE)]

TAKE_IMAGES = {
    "Pipeline": lambda: Pipeline([("a", ONE)]).fit(X, Y).predict(X),
    "FeatureUnion": lambda: FeatureUnion([("a", SpotFeatureExtractor())]).fit(X),
    "FunctionTransformer": lambda: FunctionTransformer().fit_transform(X),
    "cross_validate": lambda: cross_validate(ONE, X, Y),
    "cross_val_score": lambda: cross_val_score(ONE, X, Y),
    "cross_val_predict": lambda: cross_val_predict(ONE, X, Y, method="predict_proba"),
    "learning_curve": lambda: learning_curve(ONE, X, Y),
    "validation_curve": lambda: validation_curve(
        ONE, X, Y, param_name="C", param_range=[1, 2]
    ),
    "permutation_test_score": lambda: permutation_test_score(
        ONE, X, Y, n_permutations=2
    ),
    "GridSearchCV": lambda: GridSearchCV(ONE, {"C": [1, 2]}).fit(X, Y).predict(X),
    "RandomizedSearchCV": lambda: RandomizedSearchCV(ONE, {"C": [1, 2]}, n_iter=2).fit(
        X, Y
    ),
    "CalibratedClassifierCV": lambda: CalibratedClassifierCV(ONE).fit(X, Y).predict(X),
    "TunedThresholdClassifierCV": lambda: (
        TunedThresholdClassifierCV(ONE).fit(X, Y).predict(X)
    ),
    "FixedThresholdClassifier": lambda: (
        FixedThresholdClassifier(ONE, threshold=0.4).fit(X, Y).predict(X)
    ),
    "VotingClassifier": lambda: VotingClassifier(MEMBERS).fit(X, Y).predict(X),
    "StackingClassifier": lambda: StackingClassifier(MEMBERS).fit(X, Y).predict(X),
    "AdaBoostClassifier": lambda: (
        AdaBoostClassifier(ONE, n_estimators=2).fit(X, Y).predict(X)
    ),
    "OneVsRestClassifier": lambda: (
        OneVsRestClassifier(ONE).fit(X, THREE_CLASSES).predict(X)
    ),
    "MultiOutputClassifier": lambda: (
        MultiOutputClassifier(ONE).fit(X, TWO_TARGETS).predict(X)
    ),
    "train_test_split": lambda: train_test_split(X, Y, stratify=Y),
    "StratifiedGroupKFold": lambda: list(StratifiedGroupKFold(3).split(X, Y, GROUPS)),
    "resample": lambda: resample(X, Y),
    "shuffle": lambda: shuffle(X, Y),
}
REFUSE_IMAGES = {
    "BaggingClassifier": lambda: BaggingClassifier(ONE).fit(X, Y),
    "StackingClassifier": lambda: StackingClassifier(MEMBERS, passthrough=True).fit(
        X, Y
    ),
    "OneVsOneClassifier": lambda: OneVsOneClassifier(ONE).fit(X, THREE_CLASSES),
    "ClassifierChain": lambda: ClassifierChain(ONE).fit(X, TWO_TARGETS),
    "SelfTrainingClassifier": lambda: SelfTrainingClassifier(ONE).fit(
        X, np.where(GROUPS, Y, -1)
    ),
    "permutation_importance": lambda: permutation_importance(FITTED, X, Y),
    "partial_dependence": lambda: partial_dependence(FITTED, X, [0]),
    "ColumnTransformer": lambda: ColumnTransformer([("a", "passthrough", [0])]).fit(X),
    "RFE": lambda: RFE(ONE).fit(X, Y),
    "SequentialFeatureSelector": lambda: SequentialFeatureSelector(ONE).fit(X, Y),
    "SelectKBest": lambda: SelectKBest(k=1).fit(X, Y),
}


@pytest.mark.parametrize("tool", TAKE_IMAGES)
def test_tools_that_take_images(tool):
    TAKE_IMAGES[tool]()


@pytest.mark.parametrize("tool", REFUSE_IMAGES)
def test_tools_that_refuse_images(tool):
    with pytest.raises(ValueError, match=r"dim 4|same number of dimensions|2D"):
        REFUSE_IMAGES[tool]()


def test_the_user_guide_lists_them():
    root = Path(__file__).parents[1]
    page = (root / "docs/user_guide/scikit_learn.rst").read_text()
    _, take, rest = page.split(".. tools that ", 2)
    refuse = rest.split(".. end of the tools")[0]
    for part, tools in ((take, TAKE_IMAGES), (refuse, REFUSE_IMAGES)):
        assert set(re.findall(r"`~sklearn\.[\w.]*?(\w+)`", part)) == tools.keys()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    paths = [folder / f"{i}.png" for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    return pd.DataFrame({"path": [str(path) for path in paths]})


def test_file_names_take_the_place_of_images(table):
    reading = make_pipeline(ImageLoader((8, 8)), ONE)
    bagging = BaggingClassifier(reading, n_estimators=3, random_state=0).fit(table, Y)
    assert bagging.score(table, Y) == 1
    importance = permutation_importance(
        reading.fit(table, Y), table, Y, n_repeats=2, random_state=0
    )
    # Without its own image, a cell is guessed: half of them are right.
    assert importance.importances_mean[0] == pytest.approx(0.5, abs=0.2)


def test_vectors_come_first():
    bagging = make_pipeline(
        SpotFeatureExtractor(), BaggingClassifier(LogisticRegression(max_iter=10_000))
    )
    bagging.fit(X, Y)
    vectors = bagging[:-1].transform(X)
    importance = permutation_importance(bagging[-1], vectors, Y, n_repeats=1)
    assert importance.importances_mean.shape == (259,)
