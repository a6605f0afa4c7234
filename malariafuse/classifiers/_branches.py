"""Branches of a fusion network, from images to inputs of the network."""

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
    """Branches that transform images to inputs of a network.

    A branch with image output (4-D) is applied to each augmented batch, so all branches
    of a cell get the same augmentation. A branch with vector output (2-D) is applied
    once per training, to several views of each image. Each of its heads gives one input
    of the network: the standardized vectors, or the log-odds of a classifier.

    Parameters
    ----------
    branches : sequence of (str, transformer or "passthrough")
        Name and unfitted transformer of each branch. `fit` clones them.
    n_views : int, default=1
        Number of views of each image from which vectors are precomputed: the image
        itself and augmented views.
    heads : mapping of str to classifier or None, default={"": None}
        Heads of each branch with vector output, by the suffix of the name of the input.
        A classifier must be unfitted and is cloned for each branch. None standardizes
        the vectors.

    Attributes
    ----------
    see_augmented : bool
        Whether any branch has image output.
    shapes : dict of str to tuple of int
        Name and shape of one sample of each input of the network, in order.
    transformers : dict of str to transformer
        Fitted transformers or "passthrough", by branch name.
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
        """Fit the transformers on some rows, and validate their output.

        Transformers that are already fitted, as in ``partial_fit``, do not change.
        """
        if hasattr(self, "shapes"):
            return self
        self._dtype = images.dtype.str
        self.shapes: dict[str, Shape] = {}
        # Vectors of each branch with vector output, by the names of its inputs.
        self._vectors: dict[str, dict[str, VectorInput]] = {}
        fitted = [t for t in self.transformers.values() if t != "passthrough"]
        if fitted:
            # Images may be on disk, and selecting rows copies them: read once for all
            # branches.
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
        # Each branch has fitted clones now, so the unfitted ones need not be stored.
        del self._heads
        return self

    def _add(self, name: str, shape: Shape) -> None:
        if name in self.shapes:
            raise ValueError(
                f"branches has {name!r}, which is also the name of a head of another "
                "branch: expected a different name."
            )
        self.shapes[name] = shape

    @property
    def network_shape(self) -> dict[str, Shape]:
        """Name and shape of one sample of each input of the network."""
        return self.shapes

    @property
    def vectors(self) -> dict[str, dict[str, VectorInput]]:
        """Functions from vectors to inputs of the network, by branch and input name."""
        return self._vectors

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the training images."""
        return np.dtype(self._dtype)

    def __getstate__(self) -> dict[str, Any]:
        # Stored as str, because skops does not trust dtypes.
        fitted = {"_dtype": self.dtype.str} if hasattr(self, "_dtype") else {}
        return {**vars(self), **fitted}

    @property
    def see_augmented(self) -> bool:
        """Whether any branch has image output."""
        return len(self._vectors) < len(self.transformers)

    def precompute(
        self,
        samples: Samples,
        rows: Rows,
        augmentation: Sequence[keras.layers.Layer] = (),
        verbose: int | bool = 0,
    ) -> list[NDArray[np.float32]]:
        """Return the inputs of the branches with vector output.

        Parameters
        ----------
        samples : Samples
            All samples.
        rows : ndarray of int or slice
            Rows to fit on, if not yet fitted.
        augmentation : sequence of keras.layers.Layer, default=()
            Layers that compute all views but the first. Without layers, there is one
            view.
        verbose : int or bool, default=0
            Whether to show a progress bar.

        Returns
        -------
        list of ndarray of shape (n_samples, n_views, n)
            One array for each input, in order. Only `rows` have more than one view.
        """
        if not self._vectors:
            return []
        images = samples.images
        n_views = self.n_views if augmentation else 1
        computed: dict[str, NDArray[np.float32]] = {}
        everything = np.arange(len(images))
        # In the order of the file, so that a memory map is read sequentially.
        learned_from = np.sort(everything[rows])
        image_bytes = np.dtype(np.float32).itemsize * np.prod(images.shape[1:])
        chunk = int(np.clip(_CHUNK_BYTES // image_bytes, 1, _CHUNK))
        # Validation images are not augmented.
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
            # Standardized at the end, in place.
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
        """Return the inputs of the network, as a tuple if there are several.

        Parameters
        ----------
        images : ndarray of shape (n_samples, height, width, channels)
            Images, uint8 or floating in [0, 1].
        precomputed : sequence of ndarray, default=None
            Vectors of these images from `precompute`. None computes them.
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
        """Return images as uint8 or float, as in `fit`."""
        if self.dtype != np.uint8:
            return to_unit_float(images)
        if images.dtype != np.uint8:
            return np.rint(images * 255).astype(np.uint8)
        return images

    def _transformed(self, name: str, images: NDArray[Any]) -> NDArray[Any]:
        """Return the validated output of one branch."""
        transformer = self.transformers[name]
        if transformer == "passthrough":
            return images
        output = transformer.transform(images)
        if hasattr(output, "toarray"):
            raise TypeError(
                f"The branch {name!r} returns a sparse matrix: expected dense vectors "
                "or images. Set its transformer to dense output, or add a step that "
                "calls toarray()."
            )
        values = np.asarray(output)
        if values.ndim not in (2, 4):
            raise ValueError(
                f"The branch {name!r} returns an array of shape {values.shape}: "
                "expected vectors (n_samples, n_features) or images (n_samples, "
                "height, width, channels)."
            )
        if len(values) != len(images):
            raise ValueError(
                f"The branch {name!r} returns {len(values)} rows for {len(images)} "
                "images: expected one row for each image."
            )
        if values.ndim == 4:
            return check_images(values, name=f"The output of the branch {name!r}")
        if values.shape[1] == 0 or values.dtype.kind not in "biuf":
            raise ValueError(
                f"The branch {name!r} returns vectors of {values.shape[1]} features "
                f"and dtype {values.dtype}: expected at least one numeric feature."
            )
        if not np.isfinite(values).all():
            raise ValueError(
                f"The branch {name!r} returns NaN or infinity: expected finite "
                "numbers. Add an imputer to the branch, or fix its transformer."
            )
        return values


def _room_for(shape: Shape) -> NDArray[np.float32]:
    """Return an empty array, on disk if it is large."""
    if np.prod(shape) * np.dtype(np.float32).itemsize <= _IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    # The file is already unlinked, so it is deleted with the array.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
