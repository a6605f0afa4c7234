"""The optimizer and its learning rate over a whole training."""

import keras

_OPTIMIZERS = {
    "adam": (keras.optimizers.Adam, 1e-3),
    "adamw": (keras.optimizers.AdamW, 1e-3),
    "sgd": (keras.optimizers.SGD, 0.05),
}
_SCHEDULES = ("constant", "cosine")


def make_optimizer(
    optimizer: str | keras.optimizers.Optimizer,
    *,
    learning_rate: float | None,
    momentum: float,
    weight_decay: float | None,
    ema_momentum: float | None,
    schedule: str,
    warmup_steps: int,
    steps: int,
) -> keras.optimizers.Optimizer:
    """Return a new optimizer whose learning rate follows the schedule."""
    if schedule not in _SCHEDULES:
        raise ValueError(
            f"schedule={schedule!r}: expected one of {', '.join(_SCHEDULES)}."
        )
    if isinstance(optimizer, keras.optimizers.Optimizer):
        kind, config = type(optimizer), optimizer.get_config()
        rate = config["learning_rate"]
    elif isinstance(optimizer, str) and optimizer in _OPTIMIZERS:
        kind, rate = _OPTIMIZERS[optimizer]
        config = kind(rate).get_config()
        if optimizer == "sgd":
            config |= {"momentum": momentum, "nesterov": True}
    else:
        raise ValueError(
            f"optimizer={optimizer!r}: expected one of {', '.join(_OPTIMIZERS)} or a "
            "keras.optimizers.Optimizer."
        )
    if weight_decay is not None:
        config["weight_decay"] = weight_decay
    if ema_momentum is not None:
        config |= {"use_ema": True, "ema_momentum": ema_momentum}
    if not isinstance(rate, dict):
        peak = float(rate if learning_rate is None else learning_rate)
        rate = keras.optimizers.schedules.CosineDecay(
            # After a warm-up from a tenth, "constant" is a cosine that stays on top.
            initial_learning_rate=peak / 10 if warmup_steps else peak,
            warmup_target=peak if warmup_steps else None,
            warmup_steps=warmup_steps,
            decay_steps=max(steps - warmup_steps, 1),
            alpha=0.0 if schedule == "cosine" else 1.0,
        )
    elif schedule != "constant" or warmup_steps or learning_rate is not None:
        raise ValueError(
            "optimizer has a learning-rate schedule of its own: set "
            "schedule='constant', warmup_epochs=0 and learning_rate=None to use it, or "
            "give the optimizer a plain learning rate."
        )
    made = kind.from_config({**config, "learning_rate": rate})
    # Decay pulls kernels to zero; biases and scales need no pull.
    if made.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return made
