import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline
from support import dark_spots, fast, tiny_network

from malariafuse import GaussianSmoother, KerasImageClassifier
from malariafuse._engine import _training

X, Y, PATIENTS = dark_spots()


@pytest.mark.slow
def test_groups_reach_the_classifier_in_a_search(monkeypatch):
    seen = []
    split_rows = _training.split_rows

    def watched(codes, groups, *arguments):
        seen.append(groups)
        return split_rows(codes, groups, *arguments)

    monkeypatch.setattr(_training, "split_rows", watched)
    with config_context(enable_metadata_routing=True):
        classifier = KerasImageClassifier(
            tiny_network,
            **fast(epochs=1, early_stopping=True, validation_fraction=0.3),
        )
        classifier.set_fit_request(groups=True)
        pipeline = Pipeline(
            [("smoother", GaussianSmoother()), ("classifier", classifier)]
        )
        GridSearchCV(
            pipeline, {"classifier__threshold": [0.4, 0.6]}, cv=GroupKFold(2)
        ).fit(X, Y, groups=PATIENTS)
    # Two candidates on two folds of three patients each, then all six.
    assert [len(np.unique(groups)) for groups in seen] == [3, 3, 3, 3, 6]


def test_the_diagram_of_a_pipeline_shows_the_classifier():
    pipeline = Pipeline([("classifier", KerasImageClassifier(tiny_network))])
    assert "KerasImageClassifier" in pipeline._repr_html_()
