"""A search over thresholds, against the same search over scikeras."""

from tempfile import TemporaryDirectory

import keras
import numpy as np
from _timing import Row, in_turn
from scikeras.wrappers import KerasClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from malariafuse import ConvNetClassifier
from malariafuse.datasets import make_cell_images
from malariafuse.metrics import make_constrained_recall_scorer
from malariafuse.networks import build_convnet

DENSE = (32,)


class ThresholdedKerasClassifier(KerasClassifier):
    """scikeras with a threshold, which its own classifier has not."""

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] >= self.threshold).astype(int)


def compiled(filters, threshold):
    # scikeras hands all parameters of its own on to this function.
    network = build_convnet((24, 24, 3), filters=filters, dense_units=DENSE)
    network.compile(
        keras.optimizers.Adam(1e-3), "binary_crossentropy", metrics=["accuracy"]
    )
    return network


def rows(settings):
    cells = make_cell_images(
        settings.pick(600, 60), 20, image_size=(24, 24), random_state=0
    )
    epochs = settings.pick(4, 1)
    thresholds = np.linspace(0.1, 0.9, settings.pick(9, 2))
    widths = settings.pick([16, 32], [2])
    folds = settings.pick(3, 2)

    def search(classifier, grid, X):
        GridSearchCV(
            classifier,
            grid,
            scoring=make_constrained_recall_scorer(min_specificity=0.6),
            cv=StratifiedKFold(folds),
            error_score="raise",
        ).fit(X, cells.target)

    def ours():
        with TemporaryDirectory() as folder:
            classifier = ConvNetClassifier(
                dense_units=DENSE,
                epochs=epochs,
                augmentation=None,
                memory=folder,
                random_state=0,
            )
            search(
                classifier, {"threshold": thresholds, "filters": widths}, cells.images
            )

    def theirs():
        classifier = ThresholdedKerasClassifier(
            compiled, filters=16, threshold=0.5, epochs=epochs, batch_size=64, verbose=0
        )
        search(
            classifier,
            {"threshold": thresholds, "filters": widths},
            cells.images / np.float32(255),
        )

    ratio, details = in_turn(ours, theirs, settings.pick(3, 1), warm_up=False)
    yield Row(
        f"search {len(widths)} x {len(thresholds)} x {folds} and refit, thresholds",
        "GridSearchCV over scikeras",
        ratio,
        5,
        details=details,
    )
