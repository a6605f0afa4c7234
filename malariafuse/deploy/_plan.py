"""Partition of a pipeline into steps of the graph and steps before it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from malariafuse._engine._data import ImageInputs
from malariafuse._plain import to_plain
from malariafuse._shown import short_repr
from malariafuse._trees import BoostedTrees
from malariafuse.classifiers import BaseImageClassifier, FeatureFusionClassifier
from malariafuse.deploy._graph import is_graph, smoothing_kernel
from malariafuse.features import PretrainedFeatureExtractor
from malariafuse.preprocessing import GaussianSmoother, ImageLoader

Steps = list[tuple[str, Any]]

# Networks, which a light installation cannot run.
_NETWORK = re.compile(r'"object": "malariafuse\.(_engine|classifiers|networks)\.')


@dataclass(frozen=True)
class Plan:
    """Parts of a pipeline.

    Attributes
    ----------
    before : list of (str, transformer)
        Steps that run as code of the library. The first one loads images.
    in_graph : list of (str, transformer)
        Steps that run in the graph.
    classifier : BaseImageClassifier
        The last step.
    branches : dict of str to list of (str, transformer)
        Steps of each branch, if the classifier has branches.
    """

    before: Steps
    in_graph: Steps
    classifier: BaseImageClassifier
    branches: dict[str, Steps]

    @property
    def smooths(self) -> bool:
        """Whether the graph smooths images."""
        steps = [*self.in_graph, *_steps_of(self.branches)]
        return any(isinstance(step, GaussianSmoother) for _, step in steps)


def make_plan(pipeline: Any) -> Plan:
    """Return the plan of a fitted pipeline or classifier.

    Raises
    ------
    TypeError, ValueError
        If a part cannot be exported. The message names the part.
    """
    pipeline = getattr(pipeline, "best_estimator_", pipeline)
    steps = _flat("classifier", pipeline)
    classifier = steps.pop()[1]
    if not isinstance(classifier, BaseImageClassifier):
        raise TypeError(
            f"pipeline ends in {short_repr(classifier)}: expected a classifier of "
            "malariafuse, or a Pipeline that ends in one. If a threshold was tuned by "
            "a meta-estimator, set it as the parameter `threshold` of the classifier, "
            "and export the classifier."
        )
    check_is_fitted(classifier)
    _check_classifier(classifier)
    for name, step in steps:
        _check_step(f"The step {name!r}", step)
        check_is_fitted(step)
    shape: tuple[int, ...] = classifier.image_shape_
    if not steps or not isinstance(steps[0][1], ImageLoader):
        first: tuple[int, ...] = shape
        if steps:
            first = getattr(steps[0][1], "image_shape_", shape)
        if first[2] != 3:
            raise ValueError(
                f"pipeline was fitted to images of {first[2]} channels: expected 3 "
                "(RGB)."
            )
        steps.insert(0, ("load", ImageLoader((first[0], first[1]))))
    branches = _branches(classifier)
    n_before = len(steps)
    if all(is_graph(step) for _, step in _steps_of(branches)):
        # Only the graph needs their result.
        while n_before > 1 and is_graph(steps[n_before - 1][1]):
            n_before -= 1
    plan = Plan(steps[:n_before], steps[n_before:], classifier, branches)
    for name, step in [*plan.in_graph, *_steps_of(branches)]:
        if isinstance(step, GaussianSmoother) and (
            len(smoothing_kernel(step)) // 2 >= min(shape[:2])
        ):
            raise ValueError(
                f"The step {name!r} has kernel_size={step.kernel_size}, which is too "
                f"large for images of {shape[0]} x {shape[1]} pixels."
            )
    return plan


def _flat(name: str, estimator: Any) -> Steps:
    """Return the steps of an estimator, with nested pipelines flattened."""
    if estimator in ("passthrough", None):
        return []
    if type(estimator) is Pipeline:
        return [step for part in estimator.steps for step in _flat(*part)]
    return [(name, estimator)]


def _steps_of(branches: Mapping[str, Steps]) -> Steps:
    return [step for steps in branches.values() for step in steps]


def _check_step(what: str, step: Any) -> None:
    """Raise TypeError unless a transformer can be stored and runs without Keras."""
    kind = f"{type(step).__module__}.{type(step).__qualname__}"
    try:
        structure, _ = to_plain(step)
    except TypeError as error:
        raise TypeError(
            f"{what} is {kind}, which cannot be exported: expected a transformer of "
            f"malariafuse. {error}"
        ) from error
    if _NETWORK.search(structure) or isinstance(step, PretrainedFeatureExtractor):
        raise TypeError(
            f"{what} is {kind}, which cannot be exported: it contains a network, but "
            "only the network of the classifier can be in the graph."
        )


def _check_classifier(classifier: BaseImageClassifier) -> None:
    kind = type(classifier)
    if kind.predict_proba is not BaseImageClassifier.predict_proba:
        raise TypeError(
            f"{kind.__module__}.{kind.__qualname__} cannot be exported: it overrides "
            "predict_proba."
        )
    if classifier.test_time_views != 1:
        raise ValueError(
            f"{kind.__name__} has test_time_views={classifier.test_time_views}, which "
            "the graph does not support: set test_time_views=1."
        )


def _branches(classifier: BaseImageClassifier) -> dict[str, Steps]:
    """Return the validated steps of each branch, empty without branches."""
    if not isinstance(classifier, FeatureFusionClassifier):
        if not isinstance(classifier._inputs, ImageInputs):
            raise TypeError(
                f"{type(classifier).__name__} has custom inputs, which the graph does "
                "not support."
            )
        return {}
    inputs: Any = classifier._inputs
    branches = {name: _flat(name, branch) for name, branch in classifier.branches_}
    for name, steps in branches.items():
        for _, step in steps:
            _check_step(f"The branch {name!r}", step)
        for head in inputs.vectors.get(name, {}).values():
            inner = head.constants().get("classifier")
            if inner is not None and not isinstance(inner, BoostedTrees):
                raise TypeError(
                    f"The head of the branch {name!r} is {short_repr(inner)}, which "
                    "cannot be exported: expected HistGradientBoostingClassifier "
                    "without categorical features."
                )
    if inputs.dtype != np.uint8 and any(branches.values()):
        raise ValueError(
            f"{type(classifier).__name__} was fitted to images of {inputs.dtype}, for "
            "which its branches give different results than for uint8. Fit it to uint8 "
            "images."
        )
    return branches
