import re

import joblib
import keras
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import dark_spots, fast

from malariafuse import (
    FeatureFusionClassifier,
    GaussianSmoother,
    HSVConverter,
    SpotFeatureExtractor,
)
from malariafuse._engine._data import ImageBatches, Samples
from malariafuse._engine._losses import make_loss, make_trainer
from malariafuse.classifiers import _branches
from malariafuse.networks import RandomStainJitter, build_fusion

X, Y, PATIENTS = dark_spots()
SAMPLES = Samples(X, Y, np.ones(len(X), np.float32))


def tiny_backbone(input_shape, filters):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(filters, 3, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


class MeanColor(TransformerMixin, BaseEstimator):
    """Give the mean of each channel, and note every image that is seen."""

    def __init__(self, log=None, scale=1.0, output=None):
        self.log, self.scale, self.output = log, scale, output

    def fit(self, X, y=None):
        self.n_fitted_ = len(X)
        return self

    def transform(self, X):
        if self.log is not None:
            with open(self.log, "a") as file:
                file.write(f"{X.dtype} {len(X)}\n")
        values = X.mean(axis=(1, 2)) * self.scale
        return values if self.output is None else self.output(values)


def fusion(branches=None, **parameters):
    settings = {"backbone": tiny_backbone, "filters": 2, "embedding_size": 8}
    settings["vector_head"] = "dense"
    return FeatureFusionClassifier(branches, **settings | fast(**parameters))


@pytest.mark.parametrize("kind", ["average", "concatenate", "gated"])
def test_it_learns_dark_spots(kind):
    classifier = fusion(
        [("rgb", "passthrough"), ("hsv", HSVConverter()), ("color", MeanColor())]
    ).set_params(fusion=kind)
    assert classifier.fit(X, Y).score(X, Y) >= 0.9
    assert [name for name, _ in classifier.branches_] == ["rgb", "hsv", "color"]


@pytest.mark.slow
def test_the_default_takes_images_and_handcrafted_features():
    classifier = FeatureFusionClassifier(filters=2, **fast(epochs=1)).fit(X, Y)
    (rgb, passthrough), (spots, extractor) = classifier.branches_
    assert (rgb, passthrough, spots) == ("rgb", "passthrough", "spots")
    assert isinstance(extractor, SpotFeatureExtractor)


def test_more_than_two_classes():
    y = np.arange(len(X)) % 3
    probabilities = fusion([("color", MeanColor())], epochs=1).fit(X, y)
    assert probabilities.predict_proba(X).shape == (len(X), 3)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.slow
def test_each_branch_learns_to_decide_by_itself(n_classes):
    y = np.arange(len(X)) % n_classes if n_classes > 2 else Y
    branches = [("rgb", "passthrough"), ("color", MeanColor())]
    classifier = fusion(branches, compute_dtype="bfloat16").fit(X, y)
    alone = classifier.branch_probabilities(X)
    assert list(alone) == ["rgb", "color"]
    logits = [np.log(of_branch) for of_branch in alone.values()]
    logits = np.average(logits, axis=0, weights=[1, 2])  # images, vectors
    np.testing.assert_allclose(
        softmax(logits, axis=1), classifier.predict_proba(X), atol=1e-3
    )
    if n_classes == 2:
        for of_branch in alone.values():
            assert accuracy_score(Y, of_branch[:, 1] >= 0.5) >= 0.9
    with pytest.raises(ValueError, match="requires a fit with fusion='average'"):
        classifier.set_params(color="drop", epochs=1).fit(X, y).branch_probabilities(X)


def test_weights_of_dropped_branches_do_not_matter():
    branches = [("rgb", "passthrough"), ("color", "drop")]
    classifier = fusion(branches, epochs=1).set_params(
        branch_weights={"rgb": 0, "color": 1}
    )
    assert classifier.fit(X, Y).predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_loss_of_each_branch_is_added(n_outputs):
    shapes = {"a": (4,), "b": (3,)}
    network = build_fusion(shapes, n_outputs, fusion="average", dropout=0.0)
    binary = n_outputs == 1
    loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    of_branch = make_loss("crossentropy", 0.0, n_outputs, from_logits=True)
    trainer = make_trainer(network, "branch_logits", of_branch)
    trainer.compile(loss=loss, metrics=["accuracy"])
    generator = np.random.default_rng(0)
    inputs = [generator.random((8, *shape), "float32") for shape in shapes.values()]
    y = np.arange(8)[:, None] % (2 if binary else 3)
    weights = generator.random(8)

    given = trainer.evaluate(inputs, y, sample_weight=weights, verbose=0)

    logits = keras.Model(network.inputs, network.get_layer("branch_logits").output)
    of_branches = keras.ops.convert_to_numpy(logits(inputs))
    expected = 0.0
    for of_one in (of_branches.mean(axis=1), of_branches[:, 0], of_branches[:, 1]):
        p = (
            np.hstack([1 - expit(of_one), expit(of_one)])
            if binary
            else softmax(of_one, axis=1)
        )
        expected += np.mean(-np.log(p[np.arange(8), y[:, 0]]) * weights)
    np.testing.assert_allclose(given[0], expected, rtol=1e-4)
    called = network.predict_on_batch(inputs)
    called = called[:, 0] >= 0.5 if binary else called.argmax(axis=1)
    np.testing.assert_allclose(given[1], np.mean(called == y[:, 0]), rtol=1e-6)


@pytest.mark.slow
def test_the_weights_of_branches_are_told():
    classifier = fusion([("rgb", "passthrough"), ("color", MeanColor())], epochs=2)
    with pytest.raises(ValueError, match="requires a fit with fusion='gated'"):
        clone(classifier).fit(X, Y).gate_weights(X)
    weights = classifier.set_params(fusion="gated").fit(X, Y).gate_weights(X)
    assert weights.shape == (len(X), 2)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-3)


def test_vectors_are_computed_once_for_a_fit(tmp_path):
    log = tmp_path / "log"
    fusion([("color", MeanColor(log))], epochs=5).fit(X, Y)
    seen = [int(line.split()[1]) for line in log.read_text().splitlines()]
    # Two images show the shape of the output; then each is computed once.
    assert seen == [2, len(X)]


def test_images_are_made_from_augmented_images_of_the_dtype_of_fit(tmp_path):
    log = tmp_path / "log"

    class Darker(MeanColor):
        def transform(self, X):
            super().transform(X)
            return X // 2

    fusion([("dark", Darker(log))], epochs=2, augmentation=("stain",)).fit(X, Y)
    seen = [line.split() for line in log.read_text().splitlines()]
    assert {dtype for dtype, _ in seen} == {"uint8"}
    # Every epoch anew; Keras looks at a batch or two more.
    assert 2 + 2 * len(X) <= sum(int(size) for _, size in seen) < 3 * len(X)


def test_all_branches_of_a_cell_are_augmented_alike():
    inputs = _branches.BranchInputs([("a", "passthrough"), ("b", GaussianSmoother())])
    inputs.fit(X, Y, slice(None))
    images = X.astype(np.float32) / 255
    a, b = inputs(images)
    np.testing.assert_allclose(a, images, atol=1e-6)
    expected = GaussianSmoother().fit_transform(X) / np.float32(255)
    np.testing.assert_allclose(b, expected, atol=1e-6)


def test_vectors_are_standardized_by_the_training_rows_and_clipped():
    inputs = _branches.BranchInputs([("color", MeanColor(scale=1000.0))])
    train = np.flatnonzero(Y == 0)
    inputs.fit(X, Y, train)
    (views,) = inputs.precompute(SAMPLES, train)
    assert views.shape == (len(X), 1, 3)
    vectors = views[:, 0]
    np.testing.assert_allclose(vectors[train].mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(vectors[train].std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(inputs(X), vectors, rtol=1e-5)
    # The dark ones are further than that from the bright ones that were learned from.
    assert np.abs(vectors).max() == 3


def test_large_vectors_are_kept_on_disk(monkeypatch):
    monkeypatch.setattr(_branches, "_IN_MEMORY_BYTES", 100)
    inputs = _branches.BranchInputs([("color", MeanColor())])
    (on_disk,) = inputs.fit(X, Y, slice(None)).precompute(SAMPLES, slice(None))
    assert isinstance(on_disk, np.memmap)
    np.testing.assert_allclose(on_disk[:, 0], inputs(X), rtol=1e-5)


def test_few_large_images_at_a_time_are_turned_into_vectors(
    monkeypatch, tmp_path, capsys
):
    log = tmp_path / "log"
    monkeypatch.setattr(_branches, "_CHUNK_BYTES", 10 * X[0].size * 4)
    inputs = _branches.BranchInputs([("color", MeanColor(str(log)))])
    inputs.fit(X, Y, slice(None))
    (views,) = inputs.precompute(SAMPLES, slice(None), verbose=1)
    seen = {line.split()[1] for line in log.read_text().splitlines()[1:]}
    assert max(map(int, seen)) == 10
    np.testing.assert_allclose(views[:, 0], inputs(X), rtol=1e-5)
    assert f"{len(X)}/{len(X)}" in capsys.readouterr().err


def test_vectors_are_computed_from_the_image_and_augmented_views_of_it():
    inputs = _branches.BranchInputs(
        [("color", MeanColor()), ("twice", MeanColor(scale=2.0))], n_views=3
    )
    inputs.fit(X, Y, slice(None))
    color, twice = inputs.precompute(
        SAMPLES, slice(None), [RandomStainJitter(0.3, seed=0)]
    )
    assert color.shape == (len(X), 3, 3)
    np.testing.assert_allclose(color[:, 0], inputs(X)[0], rtol=1e-5)
    # Of one view, all branches see the same.
    np.testing.assert_allclose(color, twice, atol=1e-4)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (np.abs(color[:, one] - color[:, other]).max(axis=1) > 0.01).all()


def test_no_augmented_views_are_made_of_cells_that_are_set_aside(tmp_path):
    log = tmp_path / "log"
    inputs = _branches.BranchInputs([("color", MeanColor(str(log)))], n_views=3)
    train = np.flatnonzero(Y == 0)
    inputs.fit(X, Y, train)
    log.unlink()
    (views,) = inputs.precompute(SAMPLES, train, [RandomStainJitter(0.05, seed=0)])
    seen = [int(line.split()[1]) for line in log.read_text().splitlines()]
    assert seen == [len(X), len(train), len(train)]
    np.testing.assert_allclose(views[:, 0], inputs(X), rtol=1e-5)
    assert (np.abs(views[train, 1] - views[train, 2]).max(axis=1) > 0.01).all()


def test_training_draws_among_the_views_and_validation_takes_the_first():
    views = np.arange(4, dtype=np.float32)[None, :, None].repeat(len(X), axis=0)
    inputs = _branches.BranchInputs([("color", MeanColor())]).fit(X, Y, slice(None))
    rows = np.arange(len(X))
    generator = np.random.default_rng(0)
    seen, _, _ = ImageBatches(
        SAMPLES, rows, len(X), inputs, [views], generator=generator
    )[0]
    assert set(np.unique(seen)) == {0, 1, 2, 3}
    seen, _, _ = ImageBatches(SAMPLES, rows, len(X), inputs, [views])[0]
    assert set(np.unique(seen)) == {0}


def test_views_for_vectors_leave_the_stain_as_it_is(tmp_path):
    class Brightness(MeanColor):
        def transform(self, X):
            with open(self.log, "a") as file:
                file.write(f"{len(X)} {X.mean():.3f}\n")
            return X.mean(axis=(1, 2))

    log = tmp_path / "log"
    fusion(
        [("color", Brightness(str(log)))],
        epochs=1,
        augmentation=("flip", "stain"),
        training_views=3,
    ).fit(X, Y)
    _, *views = (line.split() for line in log.read_text().splitlines())
    assert views == [[str(len(X)), f"{X.mean():.3f}"]] * 3


@pytest.mark.parametrize("number", [0, 1.5, "all"])
def test_a_number_of_views_that_makes_no_sense_is_refused(number):
    with pytest.raises(ValueError, match=r"training_views.*positive integer"):
        fusion([("color", MeanColor())], training_views=number).fit(X, Y)


@pytest.mark.usefixtures("untrained")
def test_branches_are_parameters_as_in_feature_union():
    classifier = fusion([("color", MeanColor()), ("spots", SpotFeatureExtractor())])
    classifier.set_params(color__scale=2.0, spots="drop")
    assert classifier.get_params()["color__scale"] == 2.0
    assert [
        name for name, _ in classifier.set_params(epochs=1).fit(X, Y).branches_
    ] == ["color"]
    classifier.set_params(spots=HSVConverter())
    assert isinstance(dict(classifier.branches)["spots"], HSVConverter)


def test_the_default_branches_and_those_of_a_tuple_are_set_by_name():
    default = FeatureFusionClassifier().set_params(spots="drop")
    assert default.branches == [("rgb", "passthrough"), ("spots", "drop")]
    given = FeatureFusionClassifier((("rgb", "passthrough"), ("color", MeanColor())))
    assert dict(given.set_params(rgb="drop").branches)["rgb"] == "drop"


def test_the_default_branches_are_among_the_parameters():
    classifier = FeatureFusionClassifier()
    params = classifier.get_params()
    assert params["branches"] is None
    assert params["rgb"] == "passthrough"
    assert isinstance(params["spots"], SpotFeatureExtractor)
    assert params["spots__n_jobs"] == -1
    assert "spots" not in classifier.get_params(deep=False)
    assert clone(classifier).branches is None
    again = FeatureFusionClassifier().set_params(**params | {"spots__n_jobs": 2})
    assert [name for name, _ in again.branches] == ["rgb", "spots"]
    assert again.get_params()["spots__n_jobs"] == 2
    assert not hasattr(again, "rgb")


def branches_in(diagram):
    """Return the titles of the boxes in a diagram."""
    return re.findall(r"<label>([^<]*)</label>", diagram)


@pytest.mark.usefixtures("untrained")
def test_the_diagram_shows_the_branches():
    assert branches_in(FeatureFusionClassifier()._repr_html_()) == ["rgb", "spots"]
    pipeline = make_pipeline(GaussianSmoother(), HSVConverter())
    classifier = fusion(
        [("color", MeanColor()), ("smooth", pipeline), ("left_out", "drop")], epochs=1
    )
    diagram = classifier._repr_html_()
    assert branches_in(diagram) == ["color", "smooth", "left_out"]
    assert "MeanColor" in diagram
    assert "HSVConverter" in diagram
    fitted = classifier.fit(X, Y)._repr_html_()
    assert branches_in(fitted) == ["color", "smooth"]
    assert "Not fitted" not in fitted


@pytest.mark.usefixtures("untrained")
def test_settings_of_a_dropped_branch_are_left_out():
    classifier = fusion([("rgb", "passthrough"), ("hsv", "drop")], epochs=1)
    classifier.set_params(filters={"rgb": 2, "hsv": 3}).fit(X, Y)
    assert classifier.branches_ == [("rgb", "passthrough")]


@pytest.mark.parametrize("trained_on", [X, X / np.float32(255)], ids=["bytes", "float"])
def test_bytes_and_floats_are_predicted_alike_however_it_was_trained(trained_on):
    classifier = fusion([("color", MeanColor())], epochs=2).fit(trained_on, Y)
    np.testing.assert_allclose(
        classifier.predict_proba(X),
        classifier.predict_proba(X / np.float32(255)),
        atol=1e-5,
    )


def test_augmented_images_stay_within_their_range():
    class Dark(MeanColor):
        def transform(self, X):
            # Noise below 0 would come around to 255.
            assert X.max() < 30
            return X

    noise = keras.layers.GaussianNoise(0.01, seed=0)
    fusion([("dark", Dark())], epochs=1, augmentation=(noise,)).fit(X // 100, Y)


def test_a_backbone_that_is_used_elsewhere_is_left_as_it_is():
    shared = tiny_backbone((16, 16, 3), 2)
    before = shared.get_weights()
    classifier = fusion([("rgb", "passthrough")], epochs=2)
    classifier.set_params(backbone=lambda input_shape, filters: shared).fit(X, Y)
    for was, now in zip(before, shared.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.usefixtures("untrained")
def test_frozen_branches_are_told_apart_by_what_they_learned(tmp_path):
    def frozen(images):
        scaler = make_pipeline(MeanColor(), StandardScaler()).fit(images)
        return fusion(
            [("color", FrozenEstimator(scaler))], epochs=1, memory=tmp_path / "cache"
        )

    first, second = frozen(X).fit(X, Y), frozen(X // 2).fit(X, Y)
    means = [
        dict(classifier.branches_)["color"].estimator[1].mean_.max()
        for classifier in (first, second)
    ]
    assert means[0] > 1.5 * means[1]


def test_an_error_of_a_branch_reaches_the_user_as_it_is():
    class Late(MeanColor):
        n_calls = 0

        def transform(self, X):
            Late.n_calls += 1
            if Late.n_calls > 8:
                raise LookupError("too late")
            return X

    with pytest.raises(LookupError, match="too late"):
        fusion([("late", Late())], epochs=9).fit(X, Y)


@pytest.mark.parametrize("setting", [{"optimizer": "sdg"}, {"callbacks": [print]}])
def test_settings_of_the_training_are_refused_before_branches_are_computed(setting):
    class Slow(MeanColor):
        def fit(self, X, y=None):
            pytest.fail("computed for a training that cannot begin")

    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(setting))}"):
        fusion([("slow", Slow())], **setting).fit(X, Y)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_a_search_over_branches_and_thresholds(tmp_path):
    search = GridSearchCV(
        fusion(
            [("color", MeanColor(tmp_path / "log")), ("hsv", "drop")],
            epochs=2,
            memory=tmp_path / "cache",
        ),
        {"color__scale": [1.0, 2.0], "threshold": [0.3, 0.5, 0.7]},
        cv=2,
    ).fit(X, Y)
    assert set(search.best_params_) == {"color__scale", "threshold"}
    trained = [
        line
        for line in (tmp_path / "log").read_text().splitlines()
        if line == f"uint8 {len(X) // 2}"
    ]
    # 2 scales x 2 folds in training; and each of 12 predictions scores one fold.
    assert len(trained) == 4 + 12


@pytest.mark.usefixtures("untrained")
def test_a_fitted_classifier_is_stored_with_its_branches(tmp_path):
    classifier = fusion([("hsv", HSVConverter()), ("color", MeanColor())], epochs=1)
    classifier.fit(X, Y)
    joblib.dump(classifier, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


def test_validation_by_patient_weights_and_views():
    classifier = fusion(
        [("rgb", "passthrough"), ("color", MeanColor())],
        epochs=2,
        early_stopping=True,
        validation_fraction=0.3,
        test_time_views=8,
        class_weight="balanced",
        ema_momentum=0.5,
    )
    classifier.fit(X, Y, sample_weight=np.ones(len(X)), groups=PATIENTS)
    assert "val_loss" in classifier.history_
    assert dict(classifier.branches_)["color"].n_fitted_ < len(X)
    turned = np.rot90(X, axes=(1, 2))
    np.testing.assert_allclose(
        classifier.predict_proba(turned), classifier.predict_proba(X), atol=1e-4
    )


def test_one_seed_gives_identical_probabilities():
    first, second = (
        fusion(
            [("rgb", "passthrough"), ("color", MeanColor())],
            epochs=2,
            batch_size=24,
            augmentation=("flip", "stain"),
        ).fit(X, Y)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_late_fusion_by_voting_and_stacking():
    members = [
        ("network", fusion([("rgb", "passthrough")], epochs=2)),
        ("spots", make_pipeline(SpotFeatureExtractor(), LogisticRegression(C=0.01))),
    ]
    voting = VotingClassifier(members, voting="soft").fit(X, Y)
    stacking = StackingClassifier(members, cv=2).fit(X, Y)
    for classifier in (voting, stacking):
        assert classifier.predict_proba(X).shape == (len(X), 2)


def sparse(values):
    return csr_matrix(values)


@pytest.mark.parametrize(
    ("branches", "error", "message"),
    [
        ([], ValueError, "expected at least one"),
        ([("rgb", "drop")], ValueError, "expected at least one"),
        ("passthrough", TypeError, "expected None or pairs of a name and a trans"),
        (3, TypeError, "branches=3: expected None or pairs of a name and a tr"),
        ([("rgb",)], TypeError, "expected pairs of a name and a transformer"),
        ([("a", MeanColor()), ("a", MeanColor())], ValueError, "not unique"),
        ([("a__b", MeanColor())], ValueError, "must not contain __"),
        (
            [("backbone", MeanColor())],
            ValueError,
            "conflict with constructor arguments",
        ),
        ([("a/b", MeanColor())], ValueError, "expected an ASCII letter or digit"),
        ([("a", "pass")], TypeError, "expected a transformer with fit and transform"),
        ([("a", MeanColor)], TypeError, "expected a transformer with fit and transf"),
        ([("a", MeanColor(output=sparse))], TypeError, "returns a sparse matrix"),
        (
            [("a", MeanColor(output=lambda values: values[:, None]))],
            ValueError,
            r"'a' returns an array of shape \(2, 1, 3\)",
        ),
        (
            [("a", MeanColor(output=lambda values: values[1:]))],
            ValueError,
            "'a' returns 1 rows for 2 images",
        ),
        (
            [("a", MeanColor(output=lambda values: values * np.nan))],
            ValueError,
            "'a' returns NaN or infinity",
        ),
        (
            [("a", MeanColor(output=lambda values: values[:, :0]))],
            ValueError,
            "vectors of 0 features",
        ),
        (
            [("a", MeanColor(output=lambda values: 1 + values[:, None, None]))],
            ValueError,
            "The output of the branch 'a' has floating values",
        ),
    ],
)
def test_branches_that_do_not_fit_are_refused(branches, error, message):
    with pytest.raises(error, match=message):
        fusion(branches, epochs=1).fit(X, Y)
