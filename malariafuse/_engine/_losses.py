"""Losses and metrics of training, and the model that is trained with them."""

from typing import Any

import keras

from malariafuse._engine._layers import one_or_list

LOSSES = ("crossentropy", "focal")
_PACKAGE = "malariafuse"


@keras.saving.register_keras_serializable(_PACKAGE)
class LossOfCodes(keras.losses.Loss):
    """Loss on one-hot targets for class codes.

    Parameters
    ----------
    loss : keras.losses.Loss
        Loss on targets of shape (n_samples, n_classes).
    n_classes : int
        Number of classes.
    **kwargs : dict
        Keyword arguments of `keras.losses.Loss`.
    """

    def __init__(self, loss: keras.losses.Loss, n_classes: int, **kwargs: Any) -> None:
        super().__init__(**{"reduction": loss.reduction, **kwargs})
        self.loss, self.n_classes = loss, n_classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample."""
        codes = keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,))
        return self.loss.call(keras.ops.one_hot(codes, self.n_classes), y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for `from_config`."""
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "n_classes": self.n_classes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LossOfCodes":
        """Create the loss from its configuration."""
        loss = keras.saving.deserialize_keras_object(config.pop("loss"))
        return cls(loss, **config)


def make_loss(
    loss: str | keras.losses.Loss,
    label_smoothing: float,
    n_outputs: int,
    *,
    from_logits: bool = False,
) -> keras.losses.Loss:
    """Return a loss of class codes, shape (n_samples, 1), and probabilities or logits.

    Parameters
    ----------
    loss : {"crossentropy", "focal"} or keras.losses.Loss
        Name of the loss, or a loss object. A loss object takes probabilities and
        targets: 0 and 1 for two classes, one-hot targets otherwise, and class codes if
        it is sparse.
    label_smoothing : float
        Fraction of the target that is distributed over all classes.
    n_outputs : int
        Number of outputs: 1 for two classes, otherwise the number of classes.
    from_logits : bool, default=False
        Whether the loss gets logits.
    """
    losses = keras.losses
    if isinstance(loss, losses.Loss):
        if from_logits:
            return OfLogits(loss, n_outputs)
        if n_outputs == 1 or isinstance(loss, losses.SparseCategoricalCrossentropy):
            return loss
        return LossOfCodes(loss, n_outputs)
    settings = {"label_smoothing": label_smoothing, "from_logits": from_logits}
    if n_outputs == 1:
        if loss == "focal":
            return losses.BinaryFocalCrossentropy(**settings)
        return losses.BinaryCrossentropy(**settings)
    if loss == "focal":
        # Without class weights, like the binary loss.
        return LossOfCodes(
            losses.CategoricalFocalCrossentropy(alpha=1.0, **settings), n_outputs
        )
    if label_smoothing:
        return LossOfCodes(losses.CategoricalCrossentropy(**settings), n_outputs)
    return losses.SparseCategoricalCrossentropy(from_logits=from_logits)


@keras.saving.register_keras_serializable(_PACKAGE)
class OfLogits(keras.losses.Loss):
    """Loss of the user, which takes probabilities, applied to logits."""

    def __init__(self, loss: keras.losses.Loss, n_outputs: int, **kwargs: Any) -> None:
        super().__init__(**{"reduction": loss.reduction, **kwargs})
        self.loss, self.n_outputs = loss, n_outputs
        self.of_codes = make_loss(loss, 0.0, n_outputs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample."""
        activation = "sigmoid" if self.n_outputs == 1 else "softmax"
        probabilities = keras.activations.get(activation)(y_pred)
        return self.of_codes.call(y_true, probabilities)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for `from_config`."""
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "n_outputs": self.n_outputs,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OfLogits":
        """Create the loss from its configuration."""
        loss = keras.saving.deserialize_keras_object(config.pop("loss"))
        return cls(loss, **config)


@keras.saving.register_keras_serializable(_PACKAGE)
class RecallOfClass(keras.metrics.Recall):
    """Recall of one of the two classes of a sigmoid.

    Parameters
    ----------
    code : {0, 1}
        Code of the class.
    name : str, default="recall"
        Name of the metric.
    **kwargs : dict
        Keyword arguments of `keras.metrics.Recall`.
    """

    def __init__(self, code: int, name: str = "recall", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.code = code

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        if self.code == 0:
            y_true, y_pred = 1 - y_true, 1 - y_pred
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for `from_config`."""
        return {**super().get_config(), "code": self.code}


@keras.saving.register_keras_serializable(_PACKAGE)
class DeeplySupervised(keras.Model):
    """Model that is trained on the loss of the network and of each branch.

    The single output is the concatenation of the probabilities of the network and the
    logits of each branch. Only the probabilities enter the metrics.
    """

    n_outputs: int
    branch_loss: keras.losses.Loss

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
        for start in range(n, y_pred.shape[1], n):
            loss += self.branch_loss(y, y_pred[:, start : start + n], sample_weight)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Compute the metrics of the probabilities of the network."""
        probabilities = y_pred[:, : self.n_outputs]
        return super().compute_metrics(x, y, probabilities, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for `from_config`."""
        return {
            **super().get_config(),
            "n_outputs": self.n_outputs,
            "branch_loss": keras.saving.serialize_keras_object(self.branch_loss),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "DeeplySupervised":
        """Create the model from its configuration."""
        n_outputs, branch_loss = config.pop("n_outputs"), config.pop("branch_loss")
        model = super().from_config(config, custom_objects=custom_objects)
        model.n_outputs = n_outputs
        model.branch_loss = keras.saving.deserialize_keras_object(branch_loss)
        return model


def make_trainer(
    network: keras.Model,
    branch_logits: str | None,
    branch_loss: keras.losses.Loss | None = None,
) -> keras.Model:
    """Return a model for training that shares the layers of `network`.

    Parameters
    ----------
    network : keras.Model
        Network to train. It remains without an optimizer.
    branch_logits : str or None
        Name of the layer with the logits of all branches, of shape (n_samples,
        n_branches, n_outputs). If `network` has it, the branches are also trained.
    branch_loss : keras.losses.Loss, default=None
        Loss of each branch, applied to logits.
    """
    entrance = one_or_list(network.inputs)
    probabilities = network.outputs[0]
    if branch_logits not in {layer.name for layer in network.layers}:
        return keras.Model(entrance, probabilities)
    logits = keras.layers.Flatten()(network.get_layer(branch_logits).output)
    trainer = DeeplySupervised(
        entrance, keras.layers.Concatenate(dtype="float32")([probabilities, logits])
    )
    trainer.n_outputs, trainer.branch_loss = probabilities.shape[1], branch_loss
    return trainer
