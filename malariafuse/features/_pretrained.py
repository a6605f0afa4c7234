"""Features from networks that were trained on something else."""

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

# The parameters that the network is built from; the others say how it is applied.
_BUILT_FROM = ("backbone", "layer", "pooling", "weights", "image_size", "compute_dtype")


@dataclass(frozen=True)
class _Built:
    """A network, and the settings and the input shape that it was built with."""

    network: FrozenNetwork
    settings: dict[str, Any]
    input_shape: Shape
    compute_dtype: str
    widths: dict[str, int]


class PretrainedFeatureExtractor(ImageTransformer):
    """Turn images into the activations of a frozen network.

    The network is one of `keras.applications`, as a rule with weights from ImageNet. It
    is never trained here: what is learned is learned by the classifier that follows.

    **Choose an intermediate layer.** For malaria cells, features from an intermediate
    layer beat those of the last one, which is made for the classes of ImageNet: of
    VGG-16 the best layer was ``block5_conv2`` [1]_. The default is the last layer only
    because no other can be named for every network. `layer` can be searched like any
    other parameter.

    Parameters
    ----------
    backbone : str or callable, default="VGG16"
        Name of a network in `keras.applications`, such as "VGG16", "ResNet50V2",
        "MobileNetV2", "InceptionV3", "DenseNet121" or "EfficientNetB0"; or a function
        ``(input_shape) -> keras.Model`` of one input. Networks of `keras.applications`
        get images prepared by the `preprocess_input` that belongs to them; a network
        from a function gets floating values in 0..1.
    layer : str or list of str, default=None
        Name of the layer whose output is taken, or of several, whose features stand
        side by side in this order. :meth:`available_layers` lists them. None is the
        last layer below the top.
    pooling : {"avg", "max", "flatten"}, default="avg"
        Vector made of maps, which are outputs of shape `(height, width, channels)`: the
        mean or the maximum of each channel, or all values. Vectors stay as they are.
    weights : "imagenet", path-like or None, default="imagenet"
        Weights of the network. "imagenet" takes them from Keras' cache, into which
        Keras downloads them the first time. A path names a file with weights of the
        network without its top. None draws random weights, always the same; with a
        function as `backbone`, it keeps the weights of the network that the function
        returns.
    image_size : tuple of (int, int), default=None
        Height and width to which images are resized (bilinear interpolation, not
        rounded), one batch at a time. None takes them as they are.
    batch_size : int, default=32
        Number of images in one pass through the network.
    compute_dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Floating type in which layers compute; features are float32 always. "auto" takes
        bfloat16 on a CPU with instructions for it (AMX or AVX-512, known on Linux),
        unless the network has depthwise convolutions, as MobileNetV2 and EfficientNetB0
        have, for which it is slower; else float32.
    engine : {"auto", "keras", "openvino"}, default="auto"
        Engine that computes the features. "auto" takes OpenVINO where the extra
        ``openvino`` is installed and TensorFlow has no GPU, else Keras;
        `engine_` says which. Their features differ by rounding.
    verbose : int or bool, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    engine_ : {"keras", "openvino"}
        Engine that computes the features on this machine.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Later images must have
        the same shape.
    compute_dtype_ : {"float32", "bfloat16"}
        Floating type in which the layers compute.

    See Also
    --------
    malariafuse.classifiers.KerasImageClassifier : Train a network of one's own.

    Notes
    -----
    Nothing is learned from data, so `transform` works without `fit`. The network is
    built by whichever comes first, and kept; `fit` builds it anew. After `fit`,
    `transform` refuses to go on if `backbone`, `layer`, `pooling`, `weights`,
    `image_size` or `compute_dtype` was changed. A pickle holds the network with its
    weights: a fitted pipeline needs neither a connection nor Keras' cache where it is
    loaded.

    Peak memory is that of one batch and of the features; `X` may be memory-mapped.

    Layers that Keras numbers by itself, such as ``conv2d_40`` of InceptionV3, have the
    names here that they have in the first network of a process, whatever was built
    before. A function that is a `backbone` should give a name to each layer that is to
    be named as `layer`.

    To use ImageNet weights without a connection, put Keras' file into its cache, as the
    error says, rather than passing the path: EfficientNetB0 to B7 scale their input
    differently with "imagenet" than with a path.

    When batch normalization follows a convolution, TensorFlow computes both at once
    here, so features differ by rounding from those of `keras.Model.predict`.

    References
    ----------
    .. [1] S. Rajaraman et al., "Pre-trained convolutional neural networks as feature
       extractors toward improved malaria parasite detection in thin blood smear
       images", PeerJ 6:e4568, 2018, https://doi.org/10.7717/peerj.4568

    Examples
    --------
    Random weights, so that nothing is downloaded here:

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
        """Build the network and remember the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.
        y : None
            Ignored.

        Returns
        -------
        self : PretrainedFeatureExtractor
            The fitted transformer.

        Raises
        ------
        ValueError
            If `X` or a parameter is not as described, the images are too small for the
            network, or `weights` is a file that is damaged or of another network.
        TypeError
            If the dtype of `X` or what `backbone` returns is not as described.
        OSError
            If ImageNet weights cannot be downloaded, or `weights` names no file.
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
            RGB images, uint8 in 0..255 or floating in 0..1; may be memory-mapped.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            Features, in the order of `get_feature_names_out`.

        Raises
        ------
        ValueError, TypeError, OSError
            As in `fit`, and if `X` has images of another shape than those seen there,
            or a parameter that the network is built from was changed since.
        FloatingPointError
            If the network gives NaN or infinity.
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
                        f"{built.compute_dtype}. Check the file of weights, and try "
                        "compute_dtype='float32'."
                    )
                progress.update(part.stop - part.start)
        return features

    @property
    def engine_(self) -> str:
        """Engine that computes the features here, "keras" or "openvino"."""
        return engine_attribute(self._have_built().network, self.engine)

    @property
    def compute_dtype_(self) -> str:
        """Floating type in which the layers compute."""
        return self._have_built().compute_dtype

    def available_layers(self, image_shape: Shape | None = None) -> list[str]:
        """Return the names that `layer` can have, first layer first.

        The network is built for it, with random weights: nothing is downloaded.

        Parameters
        ----------
        image_shape : tuple of (int, int, int), default=None
            The height, width and channels that the network is built for. Only a
            `backbone` of the user's can have other layers for another shape. None is
            `image_size`, the shape seen in `fit`, or (224, 224, 3).

        Returns
        -------
        list of str
            Names of layers. A layer whose output is neither a map nor a vector is
            refused as `layer`.
        """
        if image_shape is None:
            seen = getattr(self, "image_shape_", (224, 224, 3))
            image_shape = self._input_shape(seen)
        return list(self._layers_of(build_backbone(self.backbone, image_shape, None)))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the name of each feature: that of its layer and a number.

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
        # NotFittedError is an AttributeError, as the properties have to raise.
        if built is None:
            raise NotFittedError(
                f"This {type(self).__name__} has no network yet, which its features "
                "and attributes are of. Call fit or transform first."
            )
        return built

    def _kept(self) -> _Built | None:
        """Return the network if it was built from the parameters as they are.

        Raises
        ------
        ValueError
            If `fit` built it and they have changed.
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
                f"{type(self).__name__} was fitted: transform would give features "
                "other than those fitted. Call fit again, or set it back."
            )
        return None

    def _settings(self) -> dict[str, Any]:
        """Return the parameters that the network is built from."""
        settings = {name: getattr(self, name) for name in _BUILT_FROM}
        if isinstance(self.layer, str):
            settings["layer"] = [self.layer]
        # Lists of the user's may change later.
        for name in ("layer", "image_size"):
            if settings[name] is not None:
                settings[name] = tuple(settings[name])
        return settings

    def _input_shape(self, image_shape: Shape) -> Shape:
        """Return the shape of images as the network gets them."""
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
        """Return a batch as the network takes it; always a copy."""
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
