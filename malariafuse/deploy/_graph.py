"""ONNX graph from image bytes and vectors to probabilities.

The package onnx is optional, so it is imported on first use.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._trees import BoostedTrees
from malariafuse.preprocessing import GaussianSmoother, HSVConverter

OPSET, _TREE_OPSET, _IR_VERSION = 18, 3, 9
IMAGES, PROBABILITIES = "images", "probabilities"
# Codes of dtypes in ONNX.
_FLOAT, _INT32, _DOUBLE = 1, 6, 11
# Number of bits of the tables that OpenCV uses instead of divisions.
_SHIFT = 12
_HUES = 256

Shape = Sequence[int]


class Graph:
    """Builder of a graph from nodes and constants.

    Each method adds nodes. Methods take and return names of values.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def add_input(self, name: str, dtype: type, shape: Shape) -> str:
        """Add an input for any number of samples of a shape."""
        from onnx import helper

        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(helper.make_tensor_value_info(name, kind, ["n", *shape]))
        return name

    def levels(self, images: str) -> str:
        """Convert bytes to float32."""
        return self._float(images)

    def unit(self, levels: str) -> str:
        """Scale levels from [0, 255] to [0, 1]."""
        return self._node("Mul", levels, self._constant(np.float32(1 / 255)))

    def transformed(self, levels: str, transformer: Any, channels: int) -> str:
        """Apply a transformer of images that `is_graph` supports."""
        if isinstance(transformer, HSVConverter):
            return self._hsv(levels)
        kernel = smoothing_kernel(transformer)
        return self._smoothed(levels, kernel, channels)

    def standardized(
        self,
        vectors: str,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        largest: float,
    ) -> str:
        """Standardize vectors in double precision, and clip them."""
        exact = self._node("Cast", vectors, to=_DOUBLE)
        centered = self._node("Sub", exact, self._constant(np.float64(mean)))
        scaled = self._node("Div", centered, self._constant(np.float64(scale)))
        return self._float(self._clipped(scaled, np.float64(largest)))

    def log_odds(self, vectors: str, trees: BoostedTrees, largest: float) -> str:
        """Compute the log-odds of boosted trees, and clip them."""
        n_outputs = trees.roots.shape[1]
        odds = self._node(
            "TreeEnsembleRegressor",
            vectors,
            domain="ai.onnx.ml",
            n_targets=n_outputs,
            post_transform="NONE",
            aggregate_function="SUM",
            **_tree_attributes(trees),
        )
        if n_outputs > 1:
            odds = self._node("LogSoftmax", odds, axis=1)
        return self._clipped(odds, np.float32(largest))

    def model(self, network: Any, inputs: Sequence[str]) -> Any:
        """Return the model that ends in a network.

        Parameters
        ----------
        network : onnx.ModelProto
            Network with one output, probabilities of shape (n, 1) or (n, n_classes).
        inputs : sequence of str
            Values for the inputs of the network.
        """
        from onnx import helper

        graph = network.graph
        for given, own in zip(inputs, graph.input, strict=True):
            self._nodes.append(helper.make_node("Identity", [given], [own.name]))
        self._nodes.extend(graph.node)
        self._constants.extend(graph.initializer)
        (output,) = (value.name for value in graph.output)
        width = graph.output[0].type.tensor_type.shape.dim[1].dim_value
        if width == 1:
            other = self._node("Sub", self._constant(np.float32(1)), output)
            last = helper.make_node("Concat", [other, output], [PROBABILITIES], axis=1)
        else:
            last = helper.make_node("Identity", [output], [PROBABILITIES])
        self._nodes.append(last)
        return self._finished({PROBABILITIES: (max(2, width),)})

    def part(self, outputs: Mapping[str, Shape]) -> Any:
        """Return a model whose outputs are some values, float32."""
        return self._finished(outputs)

    def _finished(self, outputs: Mapping[str, Shape]) -> Any:
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self._nodes,
            "malariafuse",
            self._inputs,
            [
                helper.make_tensor_value_info(name, _FLOAT, ["n", *shape])
                for name, shape in outputs.items()
            ],
            self._constants,
        )
        model = helper.make_model(
            graph,
            ir_version=_IR_VERSION,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid("ai.onnx.ml", _TREE_OPSET),
            ],
            producer_name="malariafuse",
        )
        onnx.checker.check_model(model)
        return model

    def _hsv(self, levels: str) -> str:
        """Convert like ``cv2.COLOR_RGB2HSV_FULL``, with the same integer arithmetic."""
        pixels = self._node("Cast", levels, to=_INT32)
        red, green, blue = self._nodes_of("Split", pixels, n=3, axis=3, num_outputs=3)
        last = self._constant(np.array([3]))
        value = self._node("ReduceMax", pixels, last)
        spread = self._node("Sub", value, self._node("ReduceMin", pixels, last))
        numbers = np.arange(1, 256)
        by_value = np.rint((255 << _SHIFT) / numbers)
        by_spread = np.rint((_HUES << _SHIFT) / (6 * numbers))

        def quotient(dividend: str, divisor: str, table: NDArray[Any]) -> str:
            factors = self._constant(np.array([0, *table], dtype=np.int32))
            factor = self._node("Gather", factors, divisor)
            product = self._node("Mul", dividend, factor)
            # Positive, so that rounding down and toward 0 are equal.
            half = self._constant(np.int32((1 << _SHIFT - 1) + (_HUES << _SHIFT)))
            moved = self._node("Add", product, half)
            whole = self._node("Div", moved, self._constant(np.int32(1 << _SHIFT)))
            return self._node("Sub", whole, self._constant(np.int32(_HUES)))

        def sector(one: str, other: str, turn: int) -> str:
            difference = self._node("Sub", one, other)
            start = self._node("Mul", spread, self._constant(np.int32(turn)))
            return self._node("Add", difference, start)

        sixths = self._node(
            "Where",
            self._node("Equal", value, red),
            sector(green, blue, 0),
            self._node(
                "Where",
                self._node("Equal", value, green),
                sector(blue, red, 2),
                sector(red, green, 4),
            ),
        )
        hue = quotient(sixths, spread, by_spread)
        below = self._node("Less", hue, self._constant(np.int32(0)))
        turned = self._node("Add", hue, self._constant(np.int32(_HUES)))
        hue = self._node("Where", below, turned, hue)
        saturation = quotient(spread, value, by_value)
        return self._float(self._node("Concat", hue, saturation, value, axis=3))

    def _smoothed(self, levels: str, kernel: NDArray[np.float32], channels: int) -> str:
        """Smooth each channel and round, with a mirrored border as in OpenCV."""
        size = len(kernel)
        if size == 1:
            return levels
        values = self._node("Transpose", levels, perm=[0, 3, 1, 2])
        pads = self._constant(np.array([0, 0, *[size // 2] * 2] * 2))
        values = self._node("Pad", values, pads, mode="reflect")
        for shape in ((1, size), (size, 1)):
            weights = np.tile(kernel.reshape(1, 1, *shape), (channels, 1, 1, 1))
            values = self._node("Conv", values, self._constant(weights), group=channels)
        # Half to even, as in OpenCV.
        rounded = self._node("Round", values)
        limits = self._constant(np.float32(0)), self._constant(np.float32(255))
        return self._node(
            "Transpose", self._node("Clip", rounded, *limits), perm=[0, 2, 3, 1]
        )

    def _clipped(self, values: str, largest: np.floating[Any]) -> str:
        limits = self._constant(-largest), self._constant(largest)
        return self._node("Clip", values, *limits)

    def _float(self, values: str) -> str:
        return self._node("Cast", values, to=_FLOAT)

    def _constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"malariafuse/constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self._nodes_of(kind, *inputs, n=1, **attributes)[0]

    def _nodes_of(
        self, kind: str, *inputs: str, n: int, **attributes: Any
    ) -> list[str]:
        from onnx import helper

        outputs = [f"malariafuse/{kind}_{len(self._nodes)}_{i}" for i in range(n)]
        self._nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs


def is_graph(transformer: Any) -> bool:
    """Return whether a graph can compute a transformer of images."""
    return type(transformer) in (HSVConverter, GaussianSmoother)


def smoothing_kernel(smoother: GaussianSmoother) -> NDArray[np.float32]:
    """Return the weights of each of the two passes."""
    kernel = cv2.getGaussianKernel(
        int(smoother.kernel_size), float(smoother.sigma or 0)
    )
    return np.asarray(kernel[:, 0], dtype=np.float32)


def _tree_attributes(trees: BoostedTrees) -> dict[str, Any]:
    """Return the attributes of a TreeEnsembleRegressor."""
    starts = trees.roots.ravel()
    tree = np.searchsorted(starts, np.arange(len(trees.feature)), side="right") - 1
    own = np.arange(len(trees.feature)) - starts[tree]
    leaf = np.isinf(trees.threshold)
    # Features are float32, so a threshold is equivalent to the next float32 below it.
    rounded = trees.threshold.astype(np.float32)
    above = rounded > trees.threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    n_outputs = trees.roots.shape[1]
    return {
        "base_values": trees.baseline.astype(np.float32).tolist(),
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": own.tolist(),
        "nodes_featureids": trees.feature.tolist(),
        "nodes_modes": ["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf],
        "nodes_values": np.where(leaf, 0, rounded).astype(np.float32).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, trees.left - starts[tree]).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, trees.right - starts[tree]).tolist(),
        "target_treeids": tree[leaf].tolist(),
        "target_nodeids": own[leaf].tolist(),
        "target_ids": (tree[leaf] % n_outputs).tolist(),
        "target_weights": trees.value[leaf].astype(np.float32).tolist(),
    }
