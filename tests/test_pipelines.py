"""Pipelines that begin with images and end in tables with names of features."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.tree import DecisionTreeClassifier

from malariafuse import (
    BackgroundMasker,
    ConcavityMarker,
    GaussianSmoother,
    HSVConverter,
    ImageLoader,
    PretrainedFeatureExtractor,
    SpotFeatureExtractor,
)
from malariafuse.datasets import make_cell_images

X = make_cell_images(4, 2, image_size=(24, 24), random_state=0).images
SPOTS = SpotFeatureExtractor().transform(X)
NAMES = SpotFeatureExtractor().get_feature_names_out().tolist()

GIVE_IMAGES = [
    BackgroundMasker(),
    ConcavityMarker(),
    GaussianSmoother(kernel_size=1),
    HSVConverter(),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    for i, image in enumerate(X):
        Image.fromarray(image).save(folder / f"{i}.png")
    return pd.DataFrame(
        {"path": [str(folder / f"{i}.png") for i in range(4)], "age": [40, 30, 20, 10]}
    )


@pytest.mark.parametrize("step", GIVE_IMAGES, ids=repr)
def test_vectors_behind_images_have_names(step):
    pipeline = make_pipeline(step, SpotFeatureExtractor()).fit(X)
    assert pipeline.get_feature_names_out().tolist() == NAMES
    values = pipeline.transform(X)
    frame = pipeline.set_output(transform="pandas").transform(X)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(values, columns=NAMES))


def test_vectors_of_a_network_behind_images_have_names():
    def maps(input_shape):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="maps")(inputs))

    extractor = PretrainedFeatureExtractor(maps, weights=None)
    pipeline = make_pipeline(HSVConverter(), extractor).set_output(transform="pandas")
    assert pipeline.fit_transform(X).columns.tolist() == ["maps_0", "maps_1"]
    assert pipeline.get_feature_names_out().tolist() == ["maps_0", "maps_1"]


@pytest.mark.parametrize("step", GIVE_IMAGES, ids=repr)
def test_images_stay_arrays_and_pass_names_on(step):
    step = clone(step)
    expected = step.fit_transform(X)
    assert step.get_feature_names_out() is None
    assert step.get_feature_names_out(["path"]).tolist() == ["path"]
    assert step.set_output(transform="pandas") is step
    assert type(step.fit_transform(X)) is type(step.transform(X)) is np.ndarray
    np.testing.assert_array_equal(step.transform(X), expected)
    with config_context(transform_output="pandas"):
        assert type(clone(step).fit_transform(X)) is np.ndarray
    with pytest.raises(ValueError, match=r"transform='xarray': expected 'default', "):
        step.set_output(transform="xarray")


class HalvedHSV(HSVConverter):
    def transform(self, X):
        return super().transform(X) // 2


def test_images_of_a_subclass_stay_arrays():
    pipeline = make_pipeline(HalvedHSV(), SpotFeatureExtractor())
    frame = pipeline.set_output(transform="pandas").fit_transform(X)
    expected = SpotFeatureExtractor().transform(HSVConverter().fit_transform(X) // 2)
    np.testing.assert_array_equal(frame, expected)


def test_a_union():
    masked = make_pipeline(BackgroundMasker(), SpotFeatureExtractor())
    union = make_union(SpotFeatureExtractor(), masked).set_output(transform="pandas")
    frame = union.fit_transform(X)
    assert frame.columns.tolist() == [
        *(f"spotfeatureextractor__{name}" for name in NAMES),
        *(f"pipeline__{name}" for name in NAMES),
    ]
    assert union.get_feature_names_out().tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(frame, np.hstack([SPOTS, SPOTS]))


def columns(path, *steps):
    reading = make_pipeline(ImageLoader((24, 24)), *steps, SpotFeatureExtractor())
    return ColumnTransformer(
        [("cell", reading, path), ("rest", "passthrough", ["age"])]
    )


@pytest.mark.parametrize("path", ["path", ["path"]])
def test_a_column_of_file_names(table, path):
    transformer = columns(path).set_output(transform="pandas")
    frame = transformer.fit_transform(table)
    assert frame.columns.tolist() == [*(f"cell__{name}" for name in NAMES), "rest__age"]
    assert transformer.get_feature_names_out().tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(frame, np.column_stack([SPOTS, table["age"]]))


@pytest.mark.parametrize(
    "steps", [[], [BackgroundMasker(), GaussianSmoother(kernel_size=1)]], ids=len
)
def test_row_labels_of_a_table_stay_with_its_images(table, steps):
    """pandas would put the vectors of the first file next to the age of the last."""
    turned = table[::-1]
    expected = np.column_stack([SPOTS[::-1], [10, 20, 30, 40]])
    np.testing.assert_array_equal(columns("path").fit_transform(turned), expected)
    with config_context(transform_output="pandas"):
        frame = columns(["path"], *steps).fit_transform(turned)
    assert frame.index.tolist() == [3, 2, 1, 0]
    np.testing.assert_array_equal(frame, expected)
    transformer = columns("path", *steps).set_output(transform="pandas")
    frame = transformer.fit_transform(turned.set_index([list("abcd")]))
    assert frame.index.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(frame, expected)


def test_images_of_a_table_are_a_series_with_its_row_labels(table):
    reading = ImageLoader((24, 24)).set_output(transform="pandas")
    labeled = table.set_index([list("abcd")])
    for paths in (labeled["path"], labeled[["path"]]):
        images = reading.fit_transform(paths)
        assert type(images) is pd.Series
        assert images.index.tolist() == ["a", "b", "c", "d"]
        np.testing.assert_array_equal(np.stack(images), X)
        masked = BackgroundMasker().fit_transform(images)
        assert type(masked) is np.ndarray  # with the output at "default"
    assert type(reading.transform(table["path"].tolist())) is np.ndarray


def test_columns_are_cross_validated_with_an_output_of_pandas(table):
    cells = pd.concat([table] * 3).set_index(pd.RangeIndex(10, 22))
    target = np.tile([0, 1], 6)
    pipeline = make_pipeline(columns("path"), DecisionTreeClassifier(random_state=0))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = cross_val_predict(pipeline, cells, target, cv=folds)
    pipeline.set_output(transform="pandas")
    predicted = cross_val_predict(pipeline, cells, target, cv=folds)
    np.testing.assert_array_equal(predicted, expected)


def test_the_diagram_of_a_fitted_pipeline():
    pipeline = make_pipeline(HSVConverter(), SpotFeatureExtractor()).fit(X)
    html = pipeline._repr_html_()
    assert "HSVConverter" in html
    assert "SpotFeatureExtractor" in html
