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
# The layer of `build_fusion` that has what each branch says by itself.
_BRANCH_LOGITS = "branch_logits"
# What follows the name of a branch in that of its second head.
_BOOSTING = "_boosting"


@describe_training
class FeatureFusionClassifier(BaseImageClassifier, _BaseComposition):
    """Classify images by several branches, fused and trained together.

    A branch is any scikit-learn transformer or pipeline that takes images. Where it
    gives images, a convolutional backbone follows; where it gives vectors, a dense
    layer on standardized vectors and gradient boosting follow. The branches are fused,
    and the networks are trained jointly.

    Read more in the :ref:`user guide <fusion>`.

    Parameters
    ----------
    branches : sequence of (str, transformer), default=None
        Name and transformer of each branch; "passthrough" gives the images as they
        are, and "drop" leaves a branch out. None takes the images and
        :class:`~malariafuse.features.SpotFeatureExtractor` with ``n_jobs=-1``, under
        the names "rgb" and "spots". Transformers are cloned for each fit.
    backbone : {"resnet18", "convnet"}, callable or dict, default="resnet18"
        Network that follows images: that of the name without its last layer, or
        that of ``backbone(input_shape, filters=filters)``, a `keras.Model` that ends in
        vectors. A dict from names of branches gives each its own; branches that it
        lacks have "resnet18".
    filters : int or dict, default=16
        Width of the backbone, or of each by the name of its branch; branches that a
        dict lacks have 16.
    embedding_size : int, default=128
        Units of each embedding and of the dense layer behind the fusion.
    fusion : {"average", "concatenate", "gated"}, default="average"
        Way in which branches are joined. "average" gives each branch a head of its own
        and takes the mean of their logits, weighted by `branch_weights`; the loss of
        each branch is added to that of the mean, so that no branch leaves the work to
        another, see :meth:`branch_probabilities`.
        "concatenate" puts the embeddings side by side, "gated" takes their mean by
        weights that are computed for each cell, see :meth:`gate_weights`; one head
        follows.
    branch_weights : dict, default=None
        Relative weights of the branches in the mean of "average", by name; branches
        that a dict lacks count 1. None lets those that give images count 1, and those
        that give vectors 2, or 1 for each of two heads.
    dropout : float in [0, 1), default=0.4
        Fraction of the fused embedding that is left out in training; of the embedding
        of each branch with "average".
    vector_head : {"dense", "boosting", "both"} or classifier, default=None
        Head of each branch that gives vectors. "dense" is a dense layer on standardized
        vectors, which is trained together with the rest. "boosting" is a
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`, whose log-odds are
        the logits of its branch. So are those of any classifier with ``predict_proba``,
        which is cloned. "both" has a dense layer and gradient boosting side by side,
        the latter under the name of the branch and ``"_boosting"``. None takes "both"
        with ``fusion="average"``, and "dense" with the others: they would learn to
        trust log-odds that were fitted to the same cells.
    training_views : int, default=6
        Views of each training image from which the branches that give vectors are
        computed: the image as it is, and others with the `augmentation` but "stain"
        and :class:`~malariafuse.networks.RandomStainJitter`; none but the first if that
        leaves nothing. Each epoch takes one of them at random. 1 takes the images as
        they are; more take as many times as long to compute.
    %(training_parameters)s

    Attributes
    ----------
    branches_ : list of (str, transformer)
        The fitted branches, without those that were dropped.
    %(training_attributes)s

    See Also
    --------
    ResNet18Classifier : The images alone.
    malariafuse.features.PretrainedFeatureExtractor : A frozen network as a branch.
    sklearn.ensemble.VotingClassifier : Fuse decisions instead of features.

    Notes
    -----
    Augmentation changes the image of a cell first, and then each branch that gives
    images makes its own from it: all of them see the cell turned and stained alike. A
    branch that gives vectors is frozen: it is computed once for a fit, from
    `training_views` views of each image, and kept on disk if it is large. With
    `test_time_views` above 1 every branch sees every view. Transformers and
    `vector_head` see class codes 0 to n_classes - 1 as `y`; `partial_fit` fits them in
    its first call.

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
        # Looked at one by one, where they are needed.
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
            Instances(Mapping, "a dict by names of branches"),
        ],
        "filters": [Integers(1), Instances(Mapping, "a dict by names of branches")],
        "embedding_size": [Integers(1)],
        "fusion": [OneOf("average", "concatenate", "gated")],
        "branch_weights": [
            Nothing(),
            Instances(Mapping, "a dict by names of branches"),
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
        """Get the parameters, with `deep` those of the branches too.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the branches by their names, and their parameters as
            ``<name>__<parameter>``.

        Returns
        -------
        dict
            Values by names.
        """
        params = self._get_params("branches", deep=deep)
        if deep and self.branches is None:
            # Only to name them; what is changed goes through `set_params`.
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
            Parameters; a branch is replaced under its name ("drop" leaves it out), and
            its parameters are set as ``<name>__<parameter>``.

        Returns
        -------
        self : FeatureFusionClassifier
            The same classifier.
        """
        names = {name.split("__")[0] for name in params}
        if params.get("branches", self.branches) is None and (
            names & dict(_default_branches()).keys()
        ):
            params["branches"] = _default_branches()
        elif isinstance(self.branches, tuple):
            # scikit-learn replaces parts of lists alone.
            self.branches = list(self.branches)
        self._set_params("branches", **params)
        return self

    def _sk_visual_block_(self) -> Any:
        """Return the branches side by side, for the diagram in a notebook."""
        if hasattr(self, "classes_"):
            branches = self.branches_
        else:
            branches = list(
                _default_branches() if self.branches is None else self.branches
            )
        return FeatureUnion(branches)._sk_visual_block_()

    @property
    def branches_(self) -> list[tuple[str, Any]]:
        """The fitted branches."""
        check_is_fitted(self)
        inputs: Any = self._inputs
        return list(inputs.transformers.items())

    def gate_weights(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return how much each branch counts for each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples, n_branches), float32
            Weights in the order of `branches_`; each row sums to 1. With
            ``vector_head="both"``, gradient boosting has a column that follows that of
            its branch.

        Raises
        ------
        ValueError
            If the classifier was not fitted with ``fusion="gated"``, or `X` is not as
            described.

        Warns
        -----
        UserWarning
            If brightness, colors, or the darkest or brightest pixels of most images are
            far from those of `fit`.
        """
        network = self.model_
        try:
            weights = network.get_layer("gate_weights").output
        except ValueError as error:
            raise ValueError(
                "gate_weights needs a fit with fusion='gated' and at least two "
                "branches: otherwise no weights are computed for each image."
            ) from error
        of_branches = self._outputs(
            X, FrozenNetwork(keras.Model(network.inputs, weights))
        )
        # A softmax in bfloat16 sums to 1 within half a percent only.
        return of_branches / of_branches.sum(axis=1, keepdims=True)

    def branch_probabilities(self, X: ArrayLike) -> dict[str, NDArray[np.float32]]:
        """Return the probabilities that each branch gives by itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_classes), float32
            Probabilities in the order of `classes_`, by the name of the branch. Where
            gradient boosting joins a dense layer, it has a name of its own.

        Raises
        ------
        ValueError
            If the classifier was not fitted with ``fusion="average"``, or `X` is not
            as described.

        Warns
        -----
        UserWarning
            If brightness, colors, or the darkest or brightest pixels of most images are
            far from those of `fit`.
        """
        network = self.model_
        if _BRANCH_LOGITS not in {layer.name for layer in network.layers}:
            raise ValueError(
                "branch_probabilities needs a fit with fusion='average' and at least "
                "two branches: otherwise no branch decides by itself."
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
        """Return the branches that are not dropped, checked."""
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
            # Keras builds its names of layers from them.
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"branches has the name {name!r}: expected a letter or digit of "
                    "ASCII, and then letters, digits, '_', '-' or '.'."
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
                "branches has no branch, or all are dropped: expected at least one."
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
        # In pairs, and boosting follows.
        logits = vectors[1::2]
        if branch_weights is None:
            branch_weights = {}
    elif len(logits) == len(input_shapes):
        raise ValueError(
            f"No branch gives images ({', '.join(logits)}), and vector_head is not "
            "'dense' or 'both': there is no network to train. Put a classifier behind "
            "the transformer in a pipeline, or pass vector_head='dense'."
        )
    network = build_fusion(
        input_shapes,
        n_outputs,
        backbone=backbone,
        branch_weights=branch_weights,
        logits=logits,
        **settings,
    )
    # A backbone of the user's own may be a network that is used elsewhere.
    return network if isinstance(backbone, str) else storable_copy(network)


def _boosting() -> HistGradientBoostingClassifier:
    # Small trees of few features each rank the cells of another laboratory better than
    # those of scikit-learn's defaults. Early stopping would set single cells aside, of
    # patients that are also trained on.
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
