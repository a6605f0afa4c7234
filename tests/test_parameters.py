"""Which values the parameters of estimators take, and how others are refused."""

import inspect
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from malariafuse import (
    classifiers,
    datasets,
    evaluation,
    features,
    model_selection,
    preprocessing,
)
from malariafuse._parameters import (
    COMPUTE_DTYPE,
    ENGINE,
    N_JOBS,
    RANDOM_STATE,
    VERBOSE,
    Booleans,
    Functions,
    ImageSizes,
    Instances,
    Integers,
    Nothing,
    OneOf,
    Reals,
    SequencesOf,
    check_parameter,
    check_parameters,
)

COUNT = (Integers(1),)
SHARE = (Reals(0, 1),)
WIDTH = (Nothing(), Reals(0, open_at="low"))
MODE = (OneOf("raise", "keep"),)
FUNCTION = (Functions(),)
SIZE = (ImageSizes(),)
WIDTHS = (SequencesOf(Integers(1)),)
FILE = (Nothing(), Instances((str, Path), "the path of a file"))


class Network:
    """It can be called, as networks of Keras can, and makes nothing."""

    def fit(self, X, y):
        return self

    def __call__(self, X):
        return X


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        (COUNT, 1),
        (COUNT, np.uint8(3)),
        (COUNT, 10**400),
        ((Integers(0, 2),), np.int64(2)),
        (SHARE, 0),
        (SHARE, 1.0),
        (SHARE, np.float32(0.5)),
        (SHARE, np.int64(1)),
        ((Reals(0, 1, open_at="both"),), 1e-9),
        (WIDTH, None),
        (WIDTH, 1e-9),
        ((Booleans(),), np.True_),
        (MODE, "keep"),
        (MODE, np.str_("keep")),
        ((OneOf(1, 4),), np.int64(4)),
        ((OneOf(True),), np.True_),
        (FUNCTION, len),
        (FUNCTION, Path),
        (FILE, Path("a.h5")),
        (SIZE, [48, np.int64(32)]),
        (WIDTHS, (8, 4)),
        (WIDTHS, []),
        (RANDOM_STATE, 2**32 - 1),
        (RANDOM_STATE, np.random.RandomState(0)),
        (VERBOSE, True),
        (VERBOSE, 2),
        (N_JOBS, None),
        (N_JOBS, -1),
        (N_JOBS, 1024),
        (SIZE, (1, 4096)),
    ],
)
def test_what_is_taken(rules, value):
    check_parameter("x", value, rules)


@pytest.mark.parametrize(
    ("rules", "value", "message"),
    [
        (COUNT, 0, "x=0: expected a positive integer."),
        (COUNT, 2.0, "x=2.0: expected a positive integer."),
        (COUNT, "2", "x='2': expected a positive integer."),
        (COUNT, True, "x=True: expected a positive integer."),
        ((Integers(2),), 1, "x=1: expected an integer of at least 2."),
        ((Integers(0, 2),), 3, "x=3: expected an integer in [0, 2]."),
        (SHARE, -1e-9, "x=-1e-09: expected a number in [0, 1]."),
        (SHARE, True, "x=True: expected a number in [0, 1]."),
        (SHARE, np.nan, "x=nan: expected a number in [0, 1]."),
        (SHARE, "0.5", "x='0.5': expected a number in [0, 1]."),
        ((Reals(0, 1, open_at="both"),), 1, "x=1: expected a number in (0, 1)."),
        ((Reals(0, 1, open_at="low"),), 0, "x=0: expected a number in (0, 1]."),
        ((Reals(0.5),), 0, "x=0: expected a number of at least 0.5."),
        ((Reals(0),), np.inf, "x=inf: expected a number of at least 0."),
        (WIDTH, 0, "x=0: expected None or a number above 0."),
        ((Booleans(),), 1, "x=1: expected True or False."),
        ((Booleans(),), None, "x=None: expected True or False."),
        (MODE, "skip", "x='skip': expected one of 'raise', 'keep'."),
        (MODE, ["keep"], "x=['keep']: expected one of 'raise', 'keep'."),
        ((OneOf("all"), Nothing()), 0, "x=0: expected 'all' or None."),
        ((OneOf(0, 1),), True, "x=True: expected one of 0, 1."),
        ((OneOf(True),), 1, "x=1: expected True."),
        (FUNCTION, "len", "x='len': expected a function."),
        (WIDTHS, 8, "x=8: expected a sequence, each of it a positive integer."),
        (FILE, 3, "x=3: expected None or the path of a file."),
        (
            SIZE,
            48,
            "x=48: expected two integers (height, width) from 1 to 4096, such as "
            "(64, 64).",
        ),
        (
            SIZE,
            (48, 4097),
            "x=(48, 4097): expected two integers (height, width) from 1 to 4096, "
            "such as (64, 64).",
        ),
        (
            RANDOM_STATE,
            -1,
            "x=-1: expected None, an integer in [0, 4294967295] or a "
            "numpy.random.RandomState.",
        ),
        (
            VERBOSE,
            "yes",
            "x='yes': expected True or False, or an integer of at least 0.",
        ),
        (N_JOBS, 0, "x=0: expected None or an integer other than 0, at most 1024."),
        (
            N_JOBS,
            1025,
            "x=1025: expected None or an integer other than 0, at most 1024.",
        ),
        (N_JOBS, "2", "x='2': expected None or an integer other than 0, at most 1024."),
        (
            N_JOBS,
            True,
            "x=True: expected None or an integer other than 0, at most 1024.",
        ),
        (ENGINE, "tpu", "x='tpu': expected one of 'auto', 'keras', 'openvino'."),
    ],
)
def test_what_is_refused(rules, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_parameter("x", value, rules)


ALL_RULES = [
    COUNT,
    SHARE,
    WIDTH,
    (Booleans(),),
    MODE,
    (OneOf(0, 1),),
    FUNCTION,
    FILE,
    SIZE,
    WIDTHS,
    RANDOM_STATE,
    VERBOSE,
    N_JOBS,
    COMPUTE_DTYPE,
]


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: str(rules[-1]))
@pytest.mark.parametrize(
    "value", [np.array([0, 1]), np.array(["keep", "auto"]), {}, {"keep"}, b"keep", 1j]
)
def test_what_no_parameter_can_be(rules, value):
    with pytest.raises(ValueError, match=r"^(?s:x=.*): expected "):
        check_parameter("x", value, rules)


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        (COUNT, np.True_),
        (COUNT, np.float64(2)),
        (SHARE, np.True_),
        (SHARE, np.float32("nan")),
        ((Reals(0),), 10**400),  # not a float any more
        ((OneOf(0, 1),), np.False_),
        (WIDTHS, [8, 0]),
        (WIDTHS, [8, True]),
        (SIZE, (True, True)),
        (SIZE, (48,)),
        (SIZE, (48, 0)),
        (RANDOM_STATE, np.random.default_rng(0)),
        (FUNCTION, Network()),
        (FUNCTION, LogisticRegression),
    ],
)
def test_what_looks_right_and_is_not(rules, value):
    with pytest.raises(ValueError, match=r"^x=.*: expected "):
        check_parameter("x", value, rules)


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_a_wrong_type_and_a_wrong_value_are_one_error(error):
    with pytest.raises(error, match="x='1': expected"):
        check_parameter("x", "1", COUNT)


class Parent:
    _parameter_rules = {"width": COUNT, "mode": MODE}  # noqa: RUF012

    def __init__(self, width=1, mode="keep"):
        self.width = width
        self.mode = mode


class Narrower(Parent):
    def __init__(self, width=1):
        super().__init__(width, mode="drop")


class Wider(Parent):
    _parameter_rules = Parent._parameter_rules | {"share": SHARE}

    def __init__(self, width=1, mode="keep", share=0.5):
        super().__init__(width, mode)
        self.share = share


def test_subclasses():
    check_parameters(Parent())
    check_parameters(Wider())
    with pytest.raises(ValueError, match=r"^mode='drop'"):
        check_parameters(Narrower())
    with pytest.raises(ValueError, match=r"^width=0"):
        check_parameters(Wider(width=0))
    with pytest.raises(ValueError, match=r"^share=2"):
        check_parameters(Wider(share=2))


# The public estimators

PACKAGES = [classifiers, evaluation, features, model_selection, preprocessing]
# Values for what has no default.
NEEDED = {classifiers.KerasImageClassifier: {"network": print}}
# Parameters that take any object, with the reason, by class and name.
TAKES_ANYTHING = {}

IMAGES = np.full((4, 8, 8, 3), 99, dtype=np.uint8)
LABELS = [0, 1, 0, 1]
DATA = {
    evaluation.PatientTest: (LABELS, [0.1, 0.9, 0.2, 0.8], [1, 1, 2, 2]),
    model_selection.SlideAdapter: (LABELS, [0.1, 0.9, 0.2, 0.8], [1, 1, 2, 2]),
    preprocessing.ImageLoader: (["cell.png"],),
}

ESTIMATORS = [
    member
    for package in PACKAGES
    for member in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(member)
    and not issubclass(member, Exception)
    and not inspect.isabstract(member)
]
PARAMETERS = [
    pytest.param(estimator, name, id=f"{estimator.__name__}-{name}")
    for estimator in ESTIMATORS
    for name in inspect.signature(estimator).parameters
    if (estimator, name) not in TAKES_ANYTHING
]


def make(estimator, **parameters):
    return estimator(**NEEDED.get(estimator, {}) | parameters)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_has_rules_that_its_default_follows(estimator):
    parameters = inspect.signature(estimator).parameters
    assert set(estimator._parameter_rules) == set(parameters)
    check_parameters(make(estimator))


@pytest.mark.parametrize(("estimator", "name"), PARAMETERS)
def test_every_parameter_is_checked(estimator, name):
    message = rf"^{name}=<object object at .*>: expected "
    if not hasattr(estimator, "fit"):
        with pytest.raises(ValueError, match=message):
            make(estimator, **{name: object()})
        return
    wrong = make(estimator, **{name: object()})
    with pytest.raises(ValueError, match=message):
        wrong.fit(*DATA.get(estimator, (IMAGES, LABELS)))
    if hasattr(estimator, "transform") and not get_tags(wrong).requires_fit:
        with pytest.raises(ValueError, match=message):
            wrong.transform(DATA.get(estimator, (IMAGES,))[0])


# Parameters of transformers that take a million, with the reason why that ends.
TAKES_A_MILLION = {
    "batch_size": "there are no more images in a batch than in all",
    "sigma": "the size of the kernel stays as it is",
    "verbose": "it is as good as True",
}


@pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if hasattr(e, "transform")]
)
def test_no_parameter_of_a_transformer_makes_it_run_for_ever(estimator):
    taken = set()
    for name, rules in estimator._parameter_rules.items():
        for value in (1_000_001, (1_000_001, 1_000_001)):
            with suppress(ValueError):
                check_parameter(name, value, rules)
                taken.add(name)
    assert taken <= TAKES_A_MILLION.keys()


def test_a_size_of_images_that_fills_the_memory_is_refused():
    huge = classifiers.FineTunedClassifier(image_size=(1_000_000, 1_000_000))
    with pytest.raises(ValueError, match=r"image_size=.* from 1 to 4096"):
        huge.fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"image_size=.* from 1 to 4096"):
        datasets.load_cell_images("cells", image_size=(1_000_000, 1_000_000))
