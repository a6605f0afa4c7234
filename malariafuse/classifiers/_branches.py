"""From images to the inputs of a fused network: one from each branch."""

import tempfile
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import gen_batches

from malariafuse._engine._augmentation import augmented
from malariafuse._engine._data import Rows, Samples, Shape
from malariafuse._images import check_images, to_unit_float
from malariafuse._progress import Progress
from malariafuse.classifiers._vectors import LogOdds, Standardized, VectorInput

# Images that a branch turns into vectors at a time, and the floats that they may be.
_CHUNK = 1024
_CHUNK_BYTES = 2**26
# Vectors of a whole training set that are larger than this are kept on disk.
_IN_MEMORY_BYTES = 2**29


class BranchInputs:
    """Each branch, a transformer of images, makes one input of a network.

    A branch that makes images (4-D) makes them anew from each augmented batch, so that
    all branches of a cell see it turned and stained alike. A branch that makes vectors
    (2-D) makes them once in a training, from some views of each image; each head makes
    an input of them, which are the vectors standardized, or the log-odds of a
    classifier.

    Parameters
    ----------
    branches : sequence of (str, transformer or "passthrough")
        Name and transformer of each branch, not fitted; `fit` works on clones.
    n_views : int, default=1
        Views of each image that vectors are precomputed from: as it is, and
        augmented ones.
    heads : mapping of str to classifier or None, default={"": None}
        Heads of each branch that makes vectors, by what follows the name of the branch
        in the name of the input. A classifier is not fitted, and is cloned for each
        branch; None standardizes the vectors.

    Attributes
    ----------
    see_augmented : bool
        Whether any branch makes images.
    shapes : dict of str to tuple of int
        Name and shape of one sample of each input of the network, in their order.
    transformers : dict of str to transformer
        Transformers by the names of their branches, fitted by `fit`; or
        "passthrough".
    """

    def __init__(
        self,
        branches: Sequence[tuple[str, Any]],
        n_views: int = 1,
        heads: Mapping[str, Any] = MappingProxyType({"": None}),
    ) -> None:
        self.transformers = {
            name: branch if branch == "passthrough" else clone(branch)
            for name, branch in branches
        }
        self.n_views, self._heads = n_views, dict(heads)

    def fit(self, images: NDArray[Any], codes: NDArray[np.int64], rows: Rows) -> Self:
        """Fit the transformers on some rows, and look at what they make.

        If that was done before, as in ``partial_fit``, they stay as they are.
        """
        if hasattr(self, "shapes"):
            return self
        self._dtype = images.dtype.str
        self.shapes: dict[str, Shape] = {}
        # Of each branch that makes vectors, by the names of its inputs.
        self._vectors: dict[str, dict[str, VectorInput]] = {}
        fitted = [t for t in self.transformers.values() if t != "passthrough"]
        if fitted:
            # Images may be on disk, and rows copies: read once for all.
            learned_from = self._as_fitted(images[rows])
            for transformer in fitted:
                transformer.fit(learned_from, codes[rows])
        n_classes = int(codes.max()) + 1
        for name in self.transformers:
            example = self._transformed(name, self._as_fitted(images[:2]))
            if example.ndim == 4:
                self._add(name, example.shape[1:])
                continue
            self._vectors[name] = {
                name + suffix: Standardized() if head is None else LogOdds(head)
                for suffix, head in self._heads.items()
            }
            for head_name, made in self._vectors[name].items():
                self._add(head_name, made.shape(example.shape[1], n_classes))
        # Each branch has its own by now, and what is not fitted need not be stored.
        del self._heads
        return self

    def _add(self, name: str, shape: Shape) -> None:
        if name in self.shapes:
            raise ValueError(
                f"branches has {name!r}, which is also the name of a head of another "
                "branch: expected another name."
            )
        self.shapes[name] = shape

    @property
    def network_shape(self) -> dict[str, Shape]:
        """Name and shape of one sample of each input."""
        return self.shapes

    @property
    def vectors(self) -> dict[str, dict[str, VectorInput]]:
        """Functions that make inputs of vectors, by branch and name of the input."""
        return self._vectors

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the images that were learned from."""
        return np.dtype(self._dtype)

    def __getstate__(self) -> dict[str, Any]:
        # skops trusts text, and no dtype.
        fitted = {"_dtype": self.dtype.str} if hasattr(self, "_dtype") else {}
        return {**vars(self), **fitted}

    @property
    def see_augmented(self) -> bool:
        """Whether any branch makes images."""
        return len(self._vectors) < len(self.transformers)

    def precompute(
        self,
        samples: Samples,
        rows: Rows,
        augmentation: Sequence[keras.layers.Layer] = (),
        verbose: int | bool = 0,
    ) -> list[NDArray[np.float32]]:
        """Return the inputs of the branches that make vectors.

        Parameters
        ----------
        samples : Samples
            All samples.
        rows : ndarray of int or slice
            Rows to learn from, unless that was done before.
        augmentation : sequence of keras.layers.Layer, default=()
            Layers that make the views of the images but the first; without them
            there is one.
        verbose : int or bool, default=0
            Whether to show a progress bar.

        Returns
        -------
        list of ndarray of shape (n_samples, n_views, n)
            One for each input, in their order. Only `rows` have views but the first.
        """
        if not self._vectors:
            return []
        images = samples.images
        n_views = self.n_views if augmentation else 1
        computed: dict[str, NDArray[np.float32]] = {}
        everything = np.arange(len(images))
        # In the order of the file: a memory map then reads forward.
        learned_from = np.sort(everything[rows])
        image_bytes = np.dtype(np.float32).itemsize * np.prod(images.shape[1:])
        chunk = int(np.clip(_CHUNK_BYTES // image_bytes, 1, _CHUNK))
        # What is set aside for validation is seen as it is.
        parts = [
            (of_view[part], view)
            for view, of_view in enumerate(
                [everything] + [learned_from] * (n_views - 1)
            )
            for part in gen_batches(len(of_view), chunk)
        ]
        with Progress(
            total=sum(len(part) for part, _ in parts),
            desc=", ".join(self._vectors),
            unit="image",
            disable=not verbose,
        ) as progress:
            for part, view in parts:
                seen = images[part]
                if view:
                    seen = augmented(seen, augmentation)
                seen = self._as_fitted(seen)
                for name in self._vectors:
                    vectors = self._transformed(name, seen)
                    if name not in computed:
                        shape = (len(images), n_views, vectors.shape[1])
                        computed[name] = _room_for(shape)
                    computed[name][part, view] = vectors
                progress.update(len(seen))
        ready = {}
        for branch, made in self._vectors.items():
            vectors = computed.pop(branch)
            # Standardized last, and in place.
            for name in sorted(made, key=lambda n: isinstance(made[n], Standardized)):
                if not made[name].fitted:
                    made[name].fit(vectors, learned_from, samples)
                inputs = vectors
                if not isinstance(made[name], Standardized):
                    inputs = _room_for((*vectors.shape[:2], *self.shapes[name]))
                for part, view in parts:
                    inputs[part, view] = made[name](vectors[part, view])
                ready[name] = inputs
        return [ready[name] for made in self._vectors.values() for name in made]

    def __call__(
        self,
        images: NDArray[Any],
        precomputed: Sequence[NDArray[np.float32]] | None = None,
    ) -> NDArray[np.float32] | tuple[NDArray[np.float32], ...]:
        """Return the inputs of the network for some images, one without a tuple.

        Parameters
        ----------
        images : ndarray of shape (n_samples, height, width, channels)
            Images, uint8 or floating in 0..1.
        precomputed : sequence of ndarray, default=None
            Vectors of these images from `precompute`; None computes them.
        """
        images = self._as_fitted(images)
        ready = None if precomputed is None else iter(precomputed)
        inputs = []
        for branch in self.transformers:
            made = self._vectors.get(branch)
            if made is not None and ready is not None:
                inputs += [next(ready) for _ in made]
                continue
            output = self._transformed(branch, images)
            if made is None:
                inputs.append(to_unit_float(output))
            else:
                inputs += [head(output) for head in made.values()]
        return inputs[0] if len(inputs) == 1 else tuple(inputs)

    def _as_fitted(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return images as bytes or floats, which some transformers treat apart."""
        if self.dtype != np.uint8:
            return to_unit_float(images)
        if images.dtype != np.uint8:
            return np.rint(images * 255).astype(np.uint8)
        return images

    def _transformed(self, name: str, images: NDArray[Any]) -> NDArray[Any]:
        """Return the checked output of one branch."""
        transformer = self.transformers[name]
        if transformer == "passthrough":
            return images
        output = transformer.transform(images)
        if hasattr(output, "toarray"):
            raise TypeError(
                f"The branch {name!r} gives a sparse matrix: expected dense vectors "
                "or images. Set its transformer to dense output, or add a step that "
                "calls toarray()."
            )
        values = np.asarray(output)
        if values.ndim not in (2, 4):
            raise ValueError(
                f"The branch {name!r} gives an array of shape {values.shape}: expected "
                "vectors (n_samples, n_features) or images (n_samples, height, width, "
                "channels)."
            )
        if len(values) != len(images):
            raise ValueError(
                f"The branch {name!r} gives {len(values)} rows for {len(images)} "
                "images: expected one row for each image."
            )
        if values.ndim == 4:
            return check_images(values, name=f"The output of the branch {name!r}")
        if values.shape[1] == 0 or values.dtype.kind not in "biuf":
            raise ValueError(
                f"The branch {name!r} gives vectors of {values.shape[1]} features and "
                f"dtype {values.dtype}: expected at least one number."
            )
        if not np.isfinite(values).all():
            raise ValueError(
                f"The branch {name!r} gives NaN or infinity: expected finite numbers. "
                "Add an imputer to it, or mend its transformer."
            )
        return values


def _room_for(shape: Shape) -> NDArray[np.float32]:
    """Return an array to fill, on disk if it is large."""
    if np.prod(shape) * np.dtype(np.float32).itemsize <= _IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    # The file has no name any more, and is gone with the array.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
