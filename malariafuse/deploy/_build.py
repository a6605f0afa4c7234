"""Construction of an ONNX graph from the parts of a pipeline."""

from typing import Any

import keras
import numpy as np

from malariafuse.deploy._graph import IMAGES, OPSET, Graph, is_graph
from malariafuse.deploy._network import to_onnx
from malariafuse.deploy._plan import Plan, Steps


class Builder:
    """Build the graph of a plan.

    Parameters
    ----------
    plan : Plan
        Parts of the pipeline.
    network : keras.Model
        Network of the classifier, in float32.

    Attributes
    ----------
    inputs : dict of str to list of (str, transformer)
        Steps of each input of the graph, applied to the output of the first steps.
    """

    def __init__(self, plan: Plan, network: keras.Model) -> None:
        self.inputs: dict[str, Steps] = {}
        self._plan, self._network = plan, network
        self._graph = Graph()
        self._shape = plan.classifier.image_shape_
        self._levels: str | None = None

    def build(self) -> Any:
        """Return the `onnx.ModelProto`."""
        plan, values = self._plan, []
        if not plan.branches:
            values = [self._graph.unit(self._images())]
        for name, steps in plan.branches.items():
            values += self._branch(name, steps)
        return self._graph.model(to_onnx(self._network, OPSET), values)

    def _images(self) -> str:
        """Return the levels of the input images of the classifier."""
        if self._levels is None:
            self.inputs[IMAGES] = []
            name = self._graph.add_input(IMAGES, np.uint8, self._shape)
            self._levels = self._transformed(
                self._graph.levels(name), self._plan.in_graph
            )
        return self._levels

    def _transformed(self, levels: str, steps: Steps) -> str:
        for _, step in steps:
            levels = self._graph.transformed(levels, step, self._shape[2])
        return levels

    def _branch(self, name: str, steps: Steps) -> list[str]:
        """Return the outputs of a branch, which are inputs of the network."""
        heads = self._plan.classifier._inputs.vectors.get(name)  # type: ignore[attr-defined]
        if heads is None:
            if all(is_graph(step) for _, step in steps):
                return [self._graph.unit(self._transformed(self._images(), steps))]
            made = _made_of_black(steps, self._shape)
            name = f"{name}_images"
            self.inputs[name] = steps
            self._graph.add_input(name, made.dtype.type, made.shape[1:])
            if made.dtype != np.uint8:
                return [name]
            return [self._graph.unit(self._graph.levels(name))]
        made = _made_of_black(steps, self._shape)
        name = f"{name}_features"
        self.inputs[name] = steps
        self._graph.add_input(name, np.float32, made.shape[1:])
        values = []
        for head in heads.values():
            constants = head.constants()
            if "classifier" in constants:
                values.append(
                    self._graph.log_odds(
                        name, constants["classifier"], constants["largest"]
                    )
                )
            else:
                values.append(self._graph.standardized(name, **constants))
        return values


def _made_of_black(steps: Steps, shape: tuple[int, ...]) -> Any:
    """Return the output of steps for a black image, to get its shape and dtype."""
    values: Any = np.zeros((1, *shape), dtype=np.uint8)
    for _, step in steps:
        values = step.transform(values)
    values = np.asarray(values)
    return values if values.dtype == np.uint8 else values.astype(np.float32)
