"""Export of fitted classifiers to ONNX."""

import json
import platform
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._extras import needed_for
from malariafuse._files._write import whole_folder
from malariafuse._labels import positive_column
from malariafuse._parameters import Instances, Nothing, check_parameter
from malariafuse._quiet import quiet_tensorflow
from malariafuse._version import __version__
from malariafuse.datasets import make_cell_images
from malariafuse.deploy._folder import (
    MODEL,
    write_golden,
    write_library,
    write_manifest,
)
from malariafuse.deploy._onnx import GOLDEN_TOLERANCE, OnnxClassifier
from malariafuse.quality import CellGuard

if TYPE_CHECKING:
    from malariafuse.deploy._plan import Plan, Steps

# Tolerance of probabilities, a hundred times the rounding error of float32.
_TOLERANCE = 1e-5
_N_GOLDEN, _N_NOISE = 6, 10
# Size of synthetic cells if the pipeline resizes images.
_GOLDEN_SIZE = (90, 90)
_PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy")
_LIBRARIES = ("scikit-learn", "opencv-python-headless", "pillow")


def export_onnx(
    pipeline: Any,
    folder: str | PathLike[str],
    *,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Export a fitted classifier to ONNX, for use without Keras and TensorFlow.

    The graph takes a batch of RGB images as bytes and returns probabilities. It
    contains the network, boosted trees, scaling, and the HSV conversion and smoothing
    directly before the classifier. Earlier steps and handcrafted features are not part
    of the graph. They are stored as JSON and arrays, and :class:`OnnxClassifier` runs
    them with the code of this package.

    Read more in the :ref:`User Guide <in_the_field>`.

    Parameters
    ----------
    pipeline : estimator
        Fitted classifier of malariafuse, a Pipeline that ends in one, or a fitted
        search over one. Steps must be transformers of malariafuse.
    folder : path-like
        Output folder, which must not exist or must be empty. It is created atomically.
    card : mapping, default=None
        Model card with the training data and metrics, which is copied into the
        manifest. It must be storable as JSON. For the model of the package, use
        :func:`malariafuse.pretrained.model_card`.

    Returns
    -------
    pathlib.Path
        Path of the output folder, with the following contents:

        - ``model.onnx``: graph from "images" (and features) to "probabilities";
        - ``manifest.json``: inputs and resizing, classes, threshold, quality gates,
          model card, measured agreement, versions, and the SHA-256 of every file;
        - ``library.json`` and ``library.npz``: steps outside the graph;
        - ``golden``: synthetic cells as PNG files, and their probabilities.

    Raises
    ------
    TypeError, ValueError
        If a part of the pipeline cannot be exported, or `card` is invalid. No file is
        written.
    FileExistsError
        If the folder is not empty.
    RuntimeError
        If the exported classifier differs from `pipeline` by more than 1e-5 in a
        probability of the golden cells or of random images. No file is written.
    ImportError
        If the packages of the extra ``onnx-export`` are not installed.

    See Also
    --------
    OnnxClassifier : Classifier that runs an exported folder.
    malariafuse.pretrained.save_pretrained : Save a pipeline that needs Keras.

    Notes
    -----
    A network that computes in bfloat16 is exported in float32 and compared with itself
    in float32. The difference from bfloat16 is in ``manifest.json``.

    The conversion to HSV uses the same integer arithmetic as OpenCV and is exact.
    Smoothing is computed in float32, and exact halves are rounded to even levels, as
    OpenCV does for most pixels. If a pixel of an image differs, by at most 1 of 255
    levels, the tolerance of the probability of this image is 0.01.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pytest
    >>> _ = pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.deploy import export_onnx
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> trained = ConvNetClassifier(filters=2, epochs=1, random_state=0)
    >>> _ = trained.fit(cells.images, cells.target)
    >>> with TemporaryDirectory() as place:
    ...     folder = export_onnx(trained, f"{place}/exported")
    ...     print(sorted(path.name for path in folder.iterdir()))
    ['golden', 'library.json', 'library.npz', 'manifest.json', 'model.onnx']
    """
    with needed_for("Exports to ONNX"), quiet_tensorflow():
        import onnx
        import onnxruntime as onnxruntime
        import tf2onnx as tf2onnx

        from malariafuse.deploy._build import Builder
        from malariafuse.deploy._network import in_float32
        from malariafuse.deploy._plan import make_plan
    check_parameter("card", card, [Nothing(), Instances(Mapping, "a mapping")])
    try:
        json.dumps(card := None if card is None else dict(card))
    except (TypeError, ValueError) as error:
        raise TypeError(f"card cannot be stored as JSON: {error}.") from error
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(
            f"folder={str(folder)!r} exists and is not empty: expected a new folder."
        )
    plan = make_plan(pipeline)
    network = in_float32(plan.classifier.model_)
    builder = Builder(plan, network)
    model = builder.build()
    with warnings.catch_warnings():
        # Synthetic cells and noise do not look like stained cells.
        warnings.simplefilter("ignore", UserWarning)
        golden, others = _samples(plan)
        expected, original, exact = _expected(plan, network, [*golden, *others])
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as made:
            onnx.save(model, made / MODEL)
            write_library(
                made,
                {
                    "before": plan.before,
                    "in_graph": plan.in_graph,
                    "inputs": builder.inputs,
                },
            )
            write_golden(made, golden, expected[: len(golden)])
            manifest = _manifest(plan, model, builder.inputs, card)
            write_manifest(made, manifest)
            got = OnnxClassifier(made, check_golden=False).predict_proba(
                [*golden, *others]
            )
            differences = np.abs(got - expected).max(axis=1)
            _check(differences, exact)
            manifest["agreement"] = {
                "images": len(got),
                "images_compared_exactly": int(exact.sum()),
                "largest_difference": float(differences[exact].max(initial=0)),
                "largest_difference_to_original": float(np.abs(got - original).max()),
                "compute_dtype_of_original": plan.classifier.compute_dtype_,
            }
            write_manifest(made, manifest)
    return folder


def _samples(plan: "Plan") -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return synthetic cells and images of noise, for the first step of a plan."""
    loader = plan.before[0][1]
    size = _GOLDEN_SIZE if len(plan.before) > 1 else loader.image_size
    golden = make_cell_images(_N_GOLDEN, 2, image_size=size, random_state=0).images
    shape = (_N_NOISE, *loader.image_size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return golden, noise


def _expected(
    plan: "Plan", network: Any, images: list[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the output of the pipeline, in float32 and in its own dtype.

    The third value are the images for which the graph must be equal.
    """
    seen = _apply(plan.before, images)
    ready = _apply(plan.in_graph, seen)
    original = plan.classifier.predict_proba(ready)
    in_float32 = plan.classifier._with_network(network).predict_proba(ready)
    exact = np.ones(len(seen), dtype=bool)
    if plan.smooths:
        exact = _smoothed_alike(plan, seen)
    return in_float32, original, exact


def _smoothed_alike(plan: "Plan", images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the images that the graph smooths to the same levels as the library."""
    from malariafuse.deploy._compare import smoothing_differences

    alike = np.ones(len(images), dtype=bool)
    for steps in plan.branches.values() or [[]]:
        levels = smoothing_differences([*plan.in_graph, *steps], images)
        if levels.max(initial=0) > 1:
            raise RuntimeError(
                f"Levels smoothed by the graph differ by up to {levels.max():.0f} of "
                "255 from those of GaussianSmoother."
            )
        alike &= levels == 0
    return alike


def _check(differences: NDArray[np.float32], exact: NDArray[np.bool_]) -> None:
    allowed = np.where(exact, _TOLERANCE, 10 * GOLDEN_TOLERANCE)
    if not (differences <= allowed).all():
        raise RuntimeError(
            "The exported classifier differs from pipeline by up to "
            f"{differences.max():.2g} in a probability: expected at most "
            f"{_TOLERANCE:g}. It was computed by onnxruntime {version('onnxruntime')} "
            f"and tf2onnx {version('tf2onnx')}. Try other versions."
        )


def _apply(steps: "Steps", images: Any) -> Any:
    for _, step in steps:
        images = step.transform(images)
    return images


def _manifest(
    plan: "Plan", model: Any, inputs: Mapping[str, "Steps"], card: Any
) -> dict[str, Any]:
    from onnx import helper

    classifier, loader = plan.classifier, plan.before[0][1]
    classes = classifier.classes_
    image_range = classifier._image_range
    dtypes = {
        value.name: str(
            helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        )
        for value in model.graph.input
    }
    shapes = {
        value.name: ["n", *(d.dim_value for d in value.type.tensor_type.shape.dim[1:])]
        for value in model.graph.input
    }
    guards = [step for _, step in plan.before if isinstance(step, CellGuard)]
    return {
        "malariafuse": __version__,
        "inputs": [
            {
                "name": name,
                "dtype": dtypes[name],
                "shape": shapes[name],
                "made_by": [repr(step) for _, step in [*plan.before, *steps]],
            }
            for name, steps in inputs.items()
        ],
        "in_graph": [
            *(repr(step) for _, step in plan.in_graph),
            f"{type(classifier).__name__} (scaling to 0..1, network, boosted trees)",
        ],
        "output": {"name": "probabilities", "shape": ["n", len(classes)]},
        "images": {
            "channels": "RGB",
            "values": "0..255",
            "height": loader.image_size[0],
            "width": loader.image_size[1],
            "keep_aspect": loader.keep_aspect,
            "resizing": "mean of areas (cv2.INTER_AREA) where a side shrinks, then "
            "linear (cv2.INTER_LINEAR) where a side grows",
        },
        "classes": {"labels": classes.tolist(), "dtype": classes.dtype.str},
        "threshold": _threshold(classifier, card),
        "quality_gates": {
            "cell_guard": repr(guards[0]) if guards else None,
            "image_range": {
                "low": image_range.low.tolist(),
                "high": image_range.high.tolist(),
                "of": "mean of each channel, darkest and brightest value, in 0..1",
            },
        },
        "card": card,
        "golden_tolerance": GOLDEN_TOLERANCE,
        "versions": {
            "malariafuse": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in (*_PACKAGES, *_LIBRARIES[:1])},
            "opencv": cv2.__version__,
        },
    }


def _threshold(classifier: Any, card: Any) -> dict[str, Any]:
    column = positive_column(classifier.pos_label, classifier.classes_)
    positive = None if column is None else classifier.classes_.tolist()[column]
    chosen_by = "parameter threshold of the classifier"
    stated = (card or {}).get("threshold")
    if isinstance(stated, Mapping) and stated.get("value") == classifier.threshold:
        chosen_by = stated.get("chosen_by", chosen_by)
    return {
        "value": float(classifier.threshold),
        "pos_label": classifier.pos_label,
        "positive_class": positive if len(classifier.classes_) == 2 else None,
        "chosen_by": chosen_by,
    }
