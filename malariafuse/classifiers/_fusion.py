import re
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import FeatureUnion
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from malariafuse._engine._data import Shape
from malariafuse._engine._inference import FrozenNetwork
from malariafuse._engine._stored import storable_copy
from malariafuse._engine._training import NetworkFunction
from malariafuse._parameters import (
    Classifiers,
    Functions,
    Instances,
    Integers,
    Nothing,
    OneOf,
    Reals,
    Rule,
)
from malariafuse.classifiers._base import BaseImageClassifier, with_both_classes
from malariafuse.classifiers._branches import BranchInputs
from malariafuse.classifiers._shared import describe_training
from malariafuse.features import SpotFeatureExtractor
from malariafuse.networks import build_fusion

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# Layer of `build_fusion` with the logits of each branch.
_BRANCH_LOGITS = "branch_logits"
# Suffix of the name of a branch in the name of its second head.
_BOOSTING = "_boosting"


@describe_training
class FeatureFusionClassifier(BaseImageClassifier, _BaseComposition):
    """Classifier that fuses several branches, such as images and features.

    A branch is any scikit-learn transformer or pipeline that takes images. If its
    output is images, it is followed by a convolutional backbone. If its output is
    vectors, it is followed by a dense layer on standardized vectors and by gradient
    boosting. The branches are fused, and the networks are trained jointly.

    Read more in the :ref:`User Guide <fusion>`.

    Parameters
    ----------
    branches : sequence of (str, transformer), default=None
        Name and transformer of each branch. "passthrough" feeds the images to the
        network unchanged, and "drop" removes a branch. None uses the unchanged images
        as branch "rgb" and a :class:`~malariafuse.features.SpotFeatureExtractor` with
        ``n_jobs=-1`` as branch "spots". Transformers are cloned for each fit.
    backbone : {"resnet18", "convnet"}, callable or dict, default="resnet18"
        Backbone of branches with image output: a named network without its last layer,
        or a function ``backbone(input_shape, filters=filters)`` that returns a
        `keras.Model` with vector output. A dict gives a backbone for each branch name.
        Missing branches use "resnet18".
    filters : int or dict, default=16
        Width of the backbone, or a dict of widths by branch name. Missing branches use
        16.
    embedding_size : int, default=128
        Number of units of each embedding and of the dense layer after the fusion.
    fusion : {"average", "concatenate", "gated"}, default="average"
        Fusion of the branches. "average" uses a separate head for each branch and
        averages their logits, weighted by `branch_weights`. The loss of each branch is
        added to the loss of the mean, so that every branch learns to classify. See
        :meth:`branch_probabilities`. "concatenate" concatenates the embeddings. "gated"
        averages the embeddings with weights that are computed for each cell, see
        :meth:`gate_weights`. Both use one common head.
    branch_weights : dict, default=None
        Relative weight of each branch in the mean logit (``fusion="average"``), by
        branch name. Missing branches have a weight of 1. None uses a weight of 1 for
        branches with image output and 2 for branches with vector output, or 1 for each
        of two heads.
    dropout : float in [0, 1), default=0.4
        Dropout rate of the fused embedding or, with ``fusion="average"``, of the
        embedding of each branch.
    vector_head : {"dense", "boosting", "both"} or classifier, default=None
        Head of each branch with vector output. "dense" is a dense layer on standardized
        vectors, trained jointly with the network. "boosting" is a
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`, whose log-odds are
        the logits of the branch. Any other classifier with ``predict_proba`` is used in
        the same way and is cloned. "both" uses a dense layer and gradient boosting as
        two separate heads. The name of the second head is the name of the branch
        followed by ``"_boosting"``. None uses "both" with ``fusion="average"`` and
        "dense" otherwise, because the other fusions would overfit to log-odds that were
        fitted to the same cells.
    training_views : int, default=6
        Number of views of each training image for branches with vector output. The
        first view is the image itself. Other views are augmented by `augmentation`
        without "stain" and :class:`~malariafuse.networks.RandomStainJitter`. If no
        augmentation remains, only the first view is used. Each epoch uses one view at
        random. The time to compute the vectors is proportional to the number of views.
    %(training_parameters)s

    Attributes
    ----------
    branches_ : list of (str, transformer)
        Fitted branches, without dropped branches.
    %(training_attributes)s

    See Also
    --------
    ResNet18Classifier : Classifier of images only.
    malariafuse.features.PretrainedFeatureExtractor : Frozen network, usable as a
        branch.
    sklearn.ensemble.VotingClassifier : Fusion of separately trained classifiers.

    Notes
    -----
    Augmentation is applied before the branches, so all branches with image output get
    the same augmented image. Branches with vector output are computed once for each
    fit, from `training_views` views of each image, and stored on disk if they are
    large. With `test_time_views` above 1, every branch gets every view. Transformers
    and `vector_head` get class codes 0 to n_classes - 1 as `y`. `partial_fit` fits them
    in its first call.

    Examples
    --------
    >>> from malariafuse import FeatureFusionClassifier, HSVConverter
    >>> from malariafuse import SpotFeatureExtractor
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = FeatureFusionClassifier(
    ...     [("hsv", HSVConverter()), ("spots", SpotFeatureExtractor())],
    ...     fusion="gated",
    ...     filters=2,
    ...     epochs=1,
    ...     random_state=0,
    ... )
    >>> classifier.fit(cells.images, cells.target).predict_proba(cells.images).shape
    (40, 2)
    >>> classifier.gate_weights(cells.images).shape
    (40, 2)
    """

    _parameter_rules: ClassVar[Mapping[str, Sequence[Rule]]] = {
        **BaseImageClassifier._parameter_rules,
        # Validated in detail where they are used.
        "branches": [
            Nothing(),
            Instances(
                list | tuple,
                "pairs of a name and a transformer, such as [('rgb', 'passthrough')]",
            ),
        ],
        "backbone": [
            OneOf("resnet18", "convnet"),
            Functions(),
            Instances(Mapping, "a dict with branch names as keys"),
        ],
        "filters": [
            Integers(1),
            Instances(Mapping, "a dict with branch names as keys"),
        ],
        "embedding_size": [Integers(1)],
        "fusion": [OneOf("average", "concatenate", "gated")],
        "branch_weights": [
            Nothing(),
            Instances(Mapping, "a dict with branch names as keys"),
        ],
        "dropout": [Reals(0, 1, open_at="high")],
        "vector_head": [Nothing(), OneOf("dense", "boosting", "both"), Classifiers()],
        "training_views": [Integers(1)],
    }
    _branch_logits: ClassVar[str | None] = _BRANCH_LOGITS

    branches: Sequence[tuple[str, Any]] | None
    backbone: Any
    filters: int | Mapping[str, int]
    embedding_size: int
    fusion: str
    branch_weights: Mapping[str, float] | None
    dropout: float
    vector_head: Any
    training_views: int

    def __init__(
        self,
        branches: Sequence[tuple[str, Any]] | None = None,
        *,
        backbone: Any = "resnet18",
        filters: int | Mapping[str, int] = 16,
        embedding_size: int = 128,
        fusion: str = "average",
        branch_weights: Mapping[str, float] | None = None,
        dropout: float = 0.4,
        vector_head: Any = None,
        training_views: int = 6,
        epochs: int = 10,
        head_epochs: int = 0,
        batch_size: int = 64,
        optimizer: str | keras.optimizers.Optimizer = "sgd",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = 2e-3,
        schedule: str = "cosine",
        warmup_epochs: float = 1,
        loss: str | keras.losses.Loss = "crossentropy",
        label_smoothing: float = 0.0,
        augmentation: Any = ("flip", "rotation", "stain"),
        early_stopping: bool = False,
        monitor: str = "val_loss",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        ema_momentum: float | None = None,
        class_weight: dict[Any, float] | str | None = None,
        initial_weights: keras.Model | str | PathLike[str] | None = None,
        warm_start: bool = False,
        threshold: float = 0.5,
        pos_label: Any = None,
        test_time_views: int = 1,
        compute_dtype: str = "auto",
        engine: str = "auto",
        memory: str | Path | Memory | None = None,
        checkpoint: str | PathLike[str] | None = None,
        callbacks: Any = None,
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self._keep(locals())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of the classifier and of its branches.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the branches by name, and their parameters as
            ``<name>__<parameter>``.

        Returns
        -------
        dict
            Values by names.
        """
        params = self._get_params("branches", deep=deep)
        if deep and self.branches is None:
            # Read-only: changes are made by `set_params`.
            for name, branch in _default_branches():
                params[name] = branch
                if not isinstance(branch, str):
                    for key, value in branch.get_params().items():
                        params[f"{name}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the classifier or of its branches.

        Parameters
        ----------
        **params : dict
            Parameters. A branch is replaced by its name ("drop" removes it), and its
            parameters are set as ``<name>__<parameter>``.

        Returns
        -------
        self : FeatureFusionClassifier
            This classifier.
        """
        names = {name.split("__")[0] for name in params}
        if params.get("branches", self.branches) is None and (
            names & dict(_default_branches()).keys()
        ):
            params["branches"] = _default_branches()
        elif isinstance(self.branches, tuple):
            # scikit-learn can replace items of a list of named estimators only.
            self.branches = list(self.branches)
        self._set_params("branches", **params)
        return self

    def _sk_visual_block_(self) -> Any:
        """Return the branches in parallel, for the HTML diagram."""
        if hasattr(self, "classes_"):
            branches = self.branches_
        else:
            branches = list(
                _default_branches() if self.branches is None else self.branches
            )
        return FeatureUnion(branches)._sk_visual_block_()

    @property
    def branches_(self) -> list[tuple[str, Any]]:
        """Fitted branches."""
        check_is_fitted(self)
        inputs: Any = self._inputs
        return list(inputs.transformers.items())

    def gate_weights(self, X: ArrayLike) -> NDArray[np.float32]:
        """Compute the weight of each branch for each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, n_branches), float32
            Weights in the order of `branches_`. Each row sums to 1. With
            ``vector_head="both"``, the column of gradient boosting follows that of its
            branch.

        Raises
        ------
        ValueError
            If the classifier was not fitted with ``fusion="gated"``, or `X` is invalid.

        Warns
        -----
        UserWarning
            If the brightness, the colors, or the darkest or brightest pixels of most
            images differ strongly from those in `fit`.
        """
        network = self.model_
        try:
            weights = network.get_layer("gate_weights").output
        except ValueError as error:
            raise ValueError(
                "gate_weights requires a fit with fusion='gated' and at least two "
                "branches."
            ) from error
        of_branches = self._outputs(
            X, FrozenNetwork(keras.Model(network.inputs, weights))
        )
        # A softmax in bfloat16 sums to 1 only within half a percent.
        return of_branches / of_branches.sum(axis=1, keepdims=True)

    def branch_probabilities(self, X: ArrayLike) -> dict[str, NDArray[np.float32]]:
        """Predict class probabilities of each branch.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_classes), float32
            Class probabilities, in the order of `classes_`, by branch name. With
            ``vector_head="both"``, gradient boosting has a separate name.

        Raises
        ------
        ValueError
            If the classifier was not fitted with ``fusion="average"``, or `X` is
            invalid.

        Warns
        -----
        UserWarning
            If the brightness, the colors, or the darkest or brightest pixels of most
            images differ strongly from those in `fit`.
        """
        network = self.model_
        if _BRANCH_LOGITS not in {layer.name for layer in network.layers}:
            raise ValueError(
                "branch_probabilities requires a fit with fusion='average' and at "
                "least two branches."
            )
        logits = network.get_layer(_BRANCH_LOGITS).output
        activation = network.layers[-1].activation
        alone = keras.layers.Activation(activation, dtype="float32")(logits)
        alone_flat = self._outputs(
            X, FrozenNetwork(keras.Model(network.inputs, keras.layers.Flatten()(alone)))
        )
        names = self._inputs.shapes
        by_branch = np.split(alone_flat, len(names), axis=1)
        return {
            name: with_both_classes(probabilities)
            for name, probabilities in zip(names, by_branch, strict=True)
        }

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._kept_branches()

    def _make_inputs(self) -> BranchInputs:
        head = self._vector_head()
        heads: dict[str, Any] = {"": head}
        if head == "dense":
            heads = {"": None}
        elif head == "boosting":
            heads = {"": _boosting()}
        elif head == "both":
            heads = {"": None, _BOOSTING: _boosting()}
        return BranchInputs(self._kept_branches(), self.training_views, heads)

    def _vector_head(self) -> Any:
        if self.vector_head is None:
            return "both" if self.fusion == "average" else "dense"
        return self.vector_head

    def _kept_branches(self) -> list[tuple[str, Any]]:
        """Return the validated branches that are not dropped."""
        branches = self.branches
        if branches is None:
            branches = _default_branches()
        if not isinstance(branches, Sequence) or not all(
            isinstance(branch, Sequence) and len(branch) == 2 for branch in branches
        ):
            raise TypeError(
                f"branches={branches!r}: expected pairs of a name and a transformer, "
                "for example [('rgb', 'passthrough')]."
            )
        names = [name for name, _ in branches]
        for name in names:
            # Keras uses them in names of layers.
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"branches has the name {name!r}: expected an ASCII letter or "
                    "digit, followed by letters, digits, '_', '-' or '.'."
                )
        self._validate_names(names)
        for name, transformer in branches:
            if transformer in ("passthrough", "drop"):
                continue
            if isinstance(transformer, type) or not (
                hasattr(transformer, "fit") and hasattr(transformer, "transform")
            ):
                raise TypeError(
                    f"The branch {name!r} is {transformer!r}: expected a transformer "
                    "with fit and transform, 'passthrough' or 'drop'."
                )
        kept = [(name, branch) for name, branch in branches if branch != "drop"]
        if not kept:
            raise ValueError(
                "branches is empty, or all branches are dropped: expected at least one."
            )
        return kept

    def _network_function(self) -> NetworkFunction:
        dropped = {name for name, branch in self.branches or () if branch == "drop"}

        def kept(setting: Any) -> Any:
            if not isinstance(setting, Mapping):
                return setting
            return {name: setting[name] for name in setting if name not in dropped}

        return partial(
            _build,
            backbone=kept(self.backbone),
            filters=kept(self.filters),
            embedding_size=self.embedding_size,
            fusion=self.fusion,
            branch_weights=kept(self.branch_weights),
            dropout=self.dropout,
            vector_head=self._vector_head(),
        )


def _build(
    input_shapes: Mapping[str, Shape],
    n_outputs: int,
    *,
    backbone: Any,
    branch_weights: Any,
    vector_head: Any,
    **settings: Any,
) -> keras.Model:
    vectors = [name for name, shape in input_shapes.items() if len(shape) == 1]
    logits = [] if vector_head == "dense" else vectors
    if vector_head == "both":
        # In pairs: the dense head, then boosting.
        logits = vectors[1::2]
        if branch_weights is None:
            branch_weights = {}
    elif len(logits) == len(input_shapes):
        raise ValueError(
            f"No branch has image output ({', '.join(logits)}), and vector_head is not "
            "'dense' or 'both': there is no network to train. Use a pipeline of the "
            "transformer and a classifier, or pass vector_head='dense'."
        )
    network = build_fusion(
        input_shapes,
        n_outputs,
        backbone=backbone,
        branch_weights=branch_weights,
        logits=logits,
        **settings,
    )
    # Cloned, because a custom function may return a network that is used elsewhere.
    return network if isinstance(backbone, str) else storable_copy(network)


def _boosting() -> HistGradientBoostingClassifier:
    # Small trees on few features generalize better to another laboratory than
    # scikit-learn's defaults. Early stopping would hold out single cells of training
    # patients.
    return HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=250,
        max_leaf_nodes=15,
        l2_regularization=5,
        max_features=0.3,
        early_stopping=False,
        random_state=0,
    )


def _default_branches() -> list[tuple[str, Any]]:
    return [("rgb", "passthrough"), ("spots", SpotFeatureExtractor(n_jobs=-1))]
