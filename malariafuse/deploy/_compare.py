"""Comparison of smoothing by the graph and by the library."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from malariafuse.deploy._graph import IMAGES, Graph
from malariafuse.preprocessing import GaussianSmoother


def smoothing_differences(
    steps: list[tuple[str, Any]], images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return the largest difference of each image after smoothing, in levels."""
    largest = np.zeros(len(images), dtype=np.float32)
    for _, step in steps:
        ours = step.transform(images)
        if isinstance(step, GaussianSmoother):
            apart = np.abs(by_graph(step, images) - ours)
            largest = np.maximum(largest, apart.max(axis=(1, 2, 3)))
        images = ours
    return largest


def by_graph(transformer: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the output levels of a graph with a single transformer."""
    # Optional dependency.
    import onnxruntime

    shape = images.shape[1:]
    graph = Graph()
    levels = graph.levels(graph.add_input(IMAGES, np.uint8, shape))
    made = graph.transformed(levels, transformer, shape[-1])
    session = onnxruntime.InferenceSession(
        graph.part({made: shape}).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    return np.asarray(session.run(None, {IMAGES: images})[0])
