"""The model that is compiled and trained: a network, and what else is supervised."""

from typing import Any

import keras

from malariafuse._keras._layers import one_or_list


class DeeplySupervised(keras.Model):
    """Train on the loss of a network and those of each of its branches.

    The one output has the probabilities of the network, which alone are measured, and
    then the logits of each branch, side by side.
    """

    n_outputs: int

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of the network plus the losses of all branches."""
        n = self.n_outputs
        loss = super().compute_loss(x, y, y_pred[:, :n], sample_weight, training)
        of_branch: Any = (
            keras.losses.BinaryCrossentropy(from_logits=True)
            if n == 1
            else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        for start in range(n, y_pred.shape[1], n):
            loss += of_branch(y, y_pred[:, start : start + n], sample_weight)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Measure the probabilities of the network."""
        probabilities = y_pred[:, : self.n_outputs]
        return super().compute_metrics(x, y, probabilities, sample_weight)


def make_trainer(network: keras.Model, branch_logits: str | None) -> keras.Model:
    """Return a model of the layers of `network`, which stays without an optimizer.

    Parameters
    ----------
    network : keras.Model
        The network to train.
    branch_logits : str or None
        The layer that gives the logits of all branches, of shape (n_samples,
        n_branches, n_outputs), if there is one.
    """
    entrance = one_or_list(network.inputs)
    probabilities = network.outputs[0]
    if branch_logits is None:
        return keras.Model(entrance, probabilities)
    logits = keras.layers.Flatten()(network.get_layer(branch_logits).output)
    trainer = DeeplySupervised(
        entrance, keras.layers.Concatenate(dtype="float32")([probabilities, logits])
    )
    trainer.n_outputs = probabilities.shape[1]
    return trainer
