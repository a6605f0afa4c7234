"""Features from pretrained networks."""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Self

import cv2
import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, gen_batches

from malariafuse._engine._backbones import (
    Shape,
    build_backbone,
    preprocessing_of,
)
from malariafuse._engine._compute_dtype import resolve_compute_dtype, set_compute_dtype
from malariafuse._engine._inference import (
    FrozenNetwork,
    check_engine,
    engine_attribute,
)
from malariafuse._files._resize import check_image_size
from malariafuse._images import check_images, remember_image_shape
from malariafuse._parameters import (
    COMPUTE_DTYPE,
    ENGINE,
    VERBOSE,
    Functions,
    ImageSizes,
    Instances,
    Integers,
    Nothing,
    OneOf,
    Rules,
    check_parameters,
)
from malariafuse._progress import Progress
from malariafuse._transformer import ImageTransformer
from malariafuse.features._layers import (
    POOLING,
    LayerNames,
    choose_layers,
    cut_network,
    has_depthwise_convolutions,
    layers_by_name,
)

# Parameters from which the network is built. The others affect only its application.
_BUILT_FROM = ("backbone", "layer", "pooling", "weights", "image_size", "compute_dtype")


@dataclass(frozen=True)
class _Built:
    """Network with the settings and the input shape from which it was built."""

    network: FrozenNetwork
    settings: dict[str, Any]
    input_shape: Shape
    compute_dtype: str
    widths: dict[str, int]


class PretrainedFeatureExtractor(ImageTransformer):
    """Extract features of images with a frozen pretrained network.

    The network is usually one of `keras.applications` with ImageNet weights. It is not
    trained. Train a classifier on the features instead.

    **Choose an intermediate layer.** For malaria cells, features from an intermediate
    layer are better than those of the last layer, which is specific to the classes of
    ImageNet. The best layer of VGG-16 was ``block5_conv2`` [1]_. The default is the
    last layer, because no other name is valid for every network. `layer` can be tuned
    like any other parameter.

    Parameters
    ----------
    backbone : str or callable, default="VGG16"
        Name of a network in `keras.applications`, such as "VGG16", "ResNet50V2",
        "MobileNetV2", "InceptionV3", "DenseNet121" or "EfficientNetB0". Alternatively,
        a function ``(input_shape) -> keras.Model`` with one input. Networks of
        `keras.applications` get images preprocessed by their `preprocess_input`. A
        network from a function gets floating values in [0, 1].
    layer : str or list of str, default=None
        Name of the layer whose output is used, or names of several layers, whose
        features are concatenated in this order. :meth:`available_layers` lists all
        names. None is the last layer below the top.
    pooling : {"avg", "max", "flatten"}, default="avg"
        Conversion of feature maps of shape `(height, width, channels)` to vectors: the
        mean or the maximum of each channel, or all values. Vectors are not changed.
    weights : "imagenet", path-like or None, default="imagenet"
        Weights of the network. "imagenet" uses ImageNet weights, which Keras downloads
        once into its cache. A path is a file with weights of the network without its
        top. None uses random weights with a fixed seed or, if `backbone` is a function,
        the weights of the returned network.
    image_size : tuple of (int, int), default=None
        Height and width to which images are resized, one batch at a time, by bilinear
        interpolation without rounding. None does not resize.
    batch_size : int, default=32
        Number of images in one pass through the network.
    compute_dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Floating dtype of the computation in layers. Features are always float32. "auto"
        uses bfloat16 on a CPU that supports it (AMX or AVX-512, detected on Linux) and
        float32 otherwise. It also uses float32 for networks with depthwise
        convolutions, such as MobileNetV2 and EfficientNetB0, for which bfloat16 is
        slower.
    engine : {"auto", "keras", "openvino"}, default="auto"
        Engine that computes the features. "auto" uses OpenVINO if the package
        ``openvino`` is installed and TensorFlow has no GPU, and Keras otherwise. The
        attribute `engine_` is the engine in use. Features of the two engines differ by
        rounding.
    verbose : int or bool, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    engine_ : {"keras", "openvino"}
        Engine in use.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.
    compute_dtype_ : {"float32", "bfloat16"}
        Floating dtype of the computation in layers.

    See Also
    --------
    malariafuse.classifiers.KerasImageClassifier : Train a custom network.

    Notes
    -----
    The transformer does not learn from data, so `transform` works without `fit`. The
    network is built by the first call of either and kept. `fit` always rebuilds it.
    After `fit`, `transform` raises an error if `backbone`, `layer`, `pooling`,
    `weights`, `image_size` or `compute_dtype` has changed. A pickle contains the
    network with its weights, so a loaded pipeline needs neither a network connection
    nor Keras' cache.

    Peak memory is that of one batch and of the features. `X` may be memory-mapped.

    Layers numbered by Keras, such as ``conv2d_40`` of InceptionV3, have the names of
    the first network built in a process, independent of previously built networks. A
    function as `backbone` should name each layer that may be used as `layer`.

    To use ImageNet weights offline, copy Keras' file into its cache, as explained in
    the error message. Do not pass the path: EfficientNetB0 to B7 scale their input
    differently with "imagenet" than with a path.

    Batch normalization after a convolution is fused with the convolution, so features
    differ by rounding from those of `keras.Model.predict`.

    References
    ----------
    .. [1] S. Rajaraman et al., "Pre-trained convolutional neural networks as feature
       extractors toward improved malaria parasite detection in thin blood smear
       images", PeerJ 6:e4568, 2018, https://doi.org/10.7717/peerj.4568

    Examples
    --------
    Random weights, to avoid a download:

    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.features import PretrainedFeatureExtractor
    >>> cells = make_cell_images(4, 2, image_size=(32, 32), random_state=0)
    >>> extractor = PretrainedFeatureExtractor(
    ...     "VGG16", layer="block3_conv2", weights=None
    ... )
    >>> extractor.fit_transform(cells.images).shape
    (4, 256)
    >>> extractor.get_feature_names_out()[:2]
    array(['block3_conv2_0', 'block3_conv2_1'], dtype=object)
    """

    _parameter_rules: ClassVar[Rules] = {
        "backbone": (
            Instances(str, "the name of a network in keras.applications"),
            Functions("a function (input_shape) -> keras.Model"),
        ),
        "layer": (Nothing(), Instances(str, "the name of a layer"), LayerNames()),
        "pooling": (OneOf(*POOLING),),
        "weights": (
            OneOf("imagenet"),
            Nothing(),
            Instances((str, PathLike), "the path of a weights file"),
        ),
        "image_size": (Nothing(), ImageSizes()),
        "batch_size": (Integers(1),),
        "compute_dtype": COMPUTE_DTYPE,
        "engine": ENGINE,
        "verbose": VERBOSE,
    }

    def __init__(
        self,
        backbone: str | Callable[[Shape], keras.Model] = "VGG16",
        *,
        layer: str | list[str] | None = None,
        pooling: str = "avg",
        weights: str | PathLike[str] | None = "imagenet",
        image_size: tuple[int, int] | None = None,
        batch_size: int = 32,
        compute_dtype: str = "auto",
        engine: str = "auto",
        verbose: int | bool = 0,
    ) -> None:
        self.backbone = backbone
        self.layer = layer
        self.pooling = pooling
        self.weights = weights
        self.image_size = image_size
        self.batch_size = batch_size
        self.compute_dtype = compute_dtype
        self.engine = engine
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Build the network and store the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].
        y : None
            Ignored.

        Returns
        -------
        self : PretrainedFeatureExtractor
            Fitted transformer.

        Raises
        ------
        ValueError
            If `X` or a parameter is invalid, the images are too small for the network,
            or the file `weights` is damaged or belongs to another network.
        TypeError
            If the dtype of `X` or the return value of `backbone` is invalid.
        OSError
            If ImageNet weights cannot be downloaded, or the file `weights` does not
            exist.
        """
        check_parameters(self)
        images = check_images(X, channels=3)
        check_engine(self.engine)
        built = self._build(images.shape[1:])
        remember_image_shape(self, images)
        self._built = built
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Compute the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1]. May be memory-mapped.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            Features, in the order of `get_feature_names_out`.

        Raises
        ------
        ValueError, TypeError, OSError
            As in `fit`, and if the images of `X` have another shape than in `fit`, or a
            parameter from which the network was built has changed.
        FloatingPointError
            If the output of the network is NaN or infinite.
        """
        images = self._check(X)
        built = self._kept()
        if built is None or built.input_shape != self._input_shape(images.shape[1:]):
            built = self._built = self._build(images.shape[1:])
        engine = built.network.engine_for(self.engine)
        features = np.empty((len(images), sum(built.widths.values())), np.float32)
        with Progress(
            total=len(images), unit="image", disable=not self.verbose
        ) as progress:
            for part in gen_batches(len(images), self.batch_size):
                features[part] = built.network.compute(
                    [self._prepared(images[part])], engine
                )
                if not np.isfinite(features[part]).all():
                    raise FloatingPointError(
                        f"The network gives NaN or infinity for images {part.start} to "
                        f"{part.stop - 1}: its weights are damaged, or too large for "
                        f"{built.compute_dtype}. Check the weights file, and try "
                        "compute_dtype='float32'."
                    )
                progress.update(part.stop - part.start)
        return features

    @property
    def engine_(self) -> str:
        """Engine in use, "keras" or "openvino"."""
        return engine_attribute(self._have_built().network, self.engine)

    @property
    def compute_dtype_(self) -> str:
        """Floating dtype of the computation in layers."""
        return self._have_built().compute_dtype

    def available_layers(self, image_shape: Shape | None = None) -> list[str]:
        """Return the valid names for `layer`, in the order of the network.

        The network is built with random weights, so nothing is downloaded.

        Parameters
        ----------
        image_shape : tuple of (int, int, int), default=None
            Height, width and channels of the input. The layers depend on it only if
            `backbone` is a function. None uses `image_size`, the shape seen in `fit`,
            or (224, 224, 3).

        Returns
        -------
        list of str
            Names of layers. A layer whose output is neither a feature map nor a vector
            is not valid as `layer`.
        """
        if image_shape is None:
            seen = getattr(self, "image_shape_", (224, 224, 3))
            image_shape = self._input_shape(seen)
        return list(self._layers_of(build_backbone(self.backbone, image_shape, None)))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features: the name of the layer and a number.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_features,), object
            Names such as "block5_conv2_0".
        """
        return np.array(
            [
                f"{name}_{i}"
                for name, width in self._have_built().widths.items()
                for i in range(width)
            ],
            dtype=object,
        )

    def _have_built(self) -> _Built:
        built: _Built | None = getattr(self, "_built", None)
        # Properties must raise an AttributeError, which NotFittedError is.
        if built is None:
            raise NotFittedError(
                f"This {type(self).__name__} has no network yet. Call fit or transform "
                "first."
            )
        return built

    def _kept(self) -> _Built | None:
        """Return the network if it was built from the current parameters.

        Raises
        ------
        ValueError
            If `fit` built it and the parameters have changed.
        """
        built: _Built | None = getattr(self, "_built", None)
        if built is None:
            return None
        settings = self._settings()
        changed = [
            name for name in _BUILT_FROM if settings[name] != built.settings[name]
        ]
        if not changed:
            return built
        if hasattr(self, "image_shape_"):
            name = changed[0]
            raise ValueError(
                f"{name}={settings[name]!r} was {built.settings[name]!r} when this "
                f"{type(self).__name__} was fitted: transform would give different "
                "features. Call fit again, or reset the parameter."
            )
        return None

    def _settings(self) -> dict[str, Any]:
        """Return the parameters from which the network is built."""
        settings = {name: getattr(self, name) for name in _BUILT_FROM}
        if isinstance(self.layer, str):
            settings["layer"] = [self.layer]
        # Copied, because a list of the user may change later.
        for name in ("layer", "image_size"):
            if settings[name] is not None:
                settings[name] = tuple(settings[name])
        return settings

    def _input_shape(self, image_shape: Shape) -> Shape:
        """Return the shape of the images at the input of the network."""
        if self.image_size is None:
            return image_shape
        return (*check_image_size(self.image_size), 3)

    def _build(self, image_shape: Shape) -> _Built:
        settings, input_shape = self._settings(), self._input_shape(image_shape)
        compute_dtype = resolve_compute_dtype(self.compute_dtype)
        network = build_backbone(self.backbone, input_shape, self.weights)
        chosen = choose_layers(self._layers_of(network), settings["layer"])
        cut, widths = cut_network(network, chosen, self.pooling)
        if self.compute_dtype == "auto" and has_depthwise_convolutions(cut):
            compute_dtype = "float32"
        set_compute_dtype(cut, compute_dtype)
        return _Built(FrozenNetwork(cut), settings, input_shape, compute_dtype, widths)

    def _layers_of(self, network: keras.Model) -> dict[str, keras.layers.Layer]:
        return layers_by_name(network, renumber=isinstance(self.backbone, str))

    def _prepared(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return a batch preprocessed for the network, always as a copy."""
        top = 255 if isinstance(self.backbone, str) else 1
        scale = np.float32(top / 255 if batch.dtype == np.uint8 else top)
        values = np.multiply(batch, scale, dtype=np.float32, order="C")
        if self.image_size is not None:
            height, width = self.image_size
            values = np.stack([cv2.resize(image, (width, height)) for image in values])
        if isinstance(self.backbone, str):
            return preprocessing_of(self.backbone)(values)
        return values

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.requires_fit = False
        return tags
