"""Objects as JSON and arrays."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from malariafuse import GaussianSmoother
from malariafuse._plain import from_plain, to_plain
from malariafuse.quality._typical import Scale


def there_and_back(value):
    return from_plain(*to_plain(value))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        float("inf"),
        "é",
        [1, (2.5, "a")],
        {"a": {1: None}, 2: []},
        np.dtype("uint8"),
    ],
    ids=str,
)
def test_plain_values(value):
    again = there_and_back(value)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool", "<U3"])
def test_arrays_keep_dtype_and_shape(dtype):
    array = np.array([[0, 1, 2]]).astype(dtype)
    again = there_and_back({"x": array})["x"]
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)
    (of_array,) = there_and_back([array[0, 1]])
    assert type(of_array) is type(array[0, 1])


def test_objects_of_the_package():
    smoother = GaussianSmoother(kernel_size=3).fit(np.ones((2, 5, 6, 3)))
    again = there_and_back(smoother)
    assert again.get_params() == smoother.get_params()
    assert again.image_shape_ == (5, 6, 3)
    # A frozen dataclass.
    scale = Scale(np.ones(2), np.zeros(2), np.ones(2))
    np.testing.assert_array_equal(there_and_back(scale).powers, scale.powers)


def test_others_are_converted_or_refused():
    with pytest.raises(TypeError, match=r"StandardScaler cannot be stored"):
        to_plain([StandardScaler()])
    with pytest.raises(TypeError, match="array of object"):
        to_plain(np.array([None]))
    text, arrays = to_plain([StandardScaler()], {StandardScaler: repr})
    assert from_plain(text, arrays) == ["StandardScaler()"]


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "sklearn.preprocessing.StandardScaler",
        "malariafuse.preprocessing._smooth.cv2",
        # A function, a class that is imported there, and nothing at all.
        "malariafuse._warn.warn",
        "malariafuse.preprocessing._smooth.ThreadPool",
        "malariafuse.preprocessing._smooth.Sharpener",
        "malariafuse.nothing.Sharpener",
        "malariafuse",
    ],
)
def test_only_classes_of_the_package_are_made(name):
    code = json.dumps({"object": name, "state": {"dict": []}})
    with pytest.raises(ValueError, match="expected a class of this version of mal"):
        from_plain(code, {})


@pytest.mark.parametrize("code", [{"array": "x"}, {"call": "x"}, {}, [1], {"list": 1}])
def test_unknown_codes(code):
    with pytest.raises(ValueError, match="which is unknown"):
        from_plain(json.dumps(code), {})


def test_functions_are_refused_by_name():
    with pytest.raises(TypeError, match=r"there_and_back cannot be .* built keras"):
        to_plain({"network": there_and_back})
