import keras
import numpy as np
import pytest

from malariafuse.networks import build_convnet, build_resnet18


def test_convnet_has_the_published_size():
    assert build_convnet((64, 64, 3), 2).count_params() == 2_229_730


def test_resnet18_has_the_published_size():
    assert build_resnet18((110, 110, 3), 1).count_params() == 11_183_041


@pytest.mark.parametrize("build", [build_convnet, build_resnet18])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_output_is_a_float32_probability_per_class(build, n_outputs):
    # With other weights, a probability may be 0 or 1 in float32.
    keras.utils.set_random_seed(0)
    network = build((32, 32, 3), n_outputs, filters=1)
    images = np.random.default_rng(0).random((4, 32, 32, 3), dtype="float32")
    outputs = keras.ops.convert_to_numpy(network(images))
    assert outputs.shape == (4, n_outputs)
    assert outputs.dtype == np.float32
    assert ((outputs > 0) & (outputs < 1)).all()
    if n_outputs > 1:
        np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("build", [build_convnet, build_resnet18])
def test_filters_set_the_width(build):
    narrow, wide = (build((32, 32, 3), filters=n).count_params() for n in (2, 4))
    assert narrow < wide


@pytest.mark.parametrize("build", [build_convnet, build_resnet18])
def test_layers_have_the_same_names_in_every_network(build):
    first, second = (build((32, 32, 3), filters=1) for _ in range(2))
    assert [layer.name for layer in first.layers] == [
        layer.name for layer in second.layers
    ]


def test_resnet18_pools_the_whole_map_on_request():
    assert build_resnet18((9, 9, 3), filters=1, pool_size=None).output_shape == (
        None,
        1,
    )


def test_resnet18_penalizes_kernels_by_l2():
    assert len(build_resnet18((32, 32, 3), filters=1, l2=1e-4).losses) == 20
    assert build_resnet18((32, 32, 3), filters=1).losses == []


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (build_convnet, {"input_shape": (7, 64, 3)}, "at least 8 pixels"),
        (build_resnet18, {"input_shape": (24, 24, 3)}, "at least 25 pixels"),
        (build_resnet18, {"input_shape": (64, 64)}, "three positive integers"),
        (build_convnet, {"filters": 0}, "filters=0: expected an integer in"),
        (build_convnet, {"n_outputs": 1.5}, "n_outputs=1.5"),
        (build_convnet, {"dropout": 1}, "dropout=1"),
        (build_convnet, {"dense_units": (8, 0)}, "dense_units"),
        (build_resnet18, {"l2": -1}, "l2=-1"),
        (build_resnet18, {"pool_size": 0}, "pool_size=0"),
        (build_resnet18, {"input_shape": 64}, "input_shape=64: expected three"),
        (build_resnet18, {"l2": "0"}, "l2='0': expected a number of at least 0"),
        (build_resnet18, {"l2": np.nan}, "l2=nan: expected a number of at least 0"),
        (
            build_resnet18,
            {"pool_size": True},
            "pool_size=True: expected None or an int",
        ),
        (build_convnet, {"dropout": "0"}, r"dropout='0': expected a number in \[0, 1"),
        (build_convnet, {"dense_units": 3}, "dense_units=3: expected a sequence"),
        (
            build_convnet,
            {"dense_units": (1.5,)},
            r"dense_units=\(1.5,\): expected a seq",
        ),
        (build_convnet, {"filters": True}, "filters=True: expected an integer in"),
    ],
)
def test_what_does_not_fit_is_refused(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)
