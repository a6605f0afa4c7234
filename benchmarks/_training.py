"""Training, against `keras.Model.fit` on floats."""

import time
from functools import partial

import keras
import numpy as np
from _timing import Row, in_turn

from malariafuse import ResNet18Classifier
from malariafuse._engine._compute_dtype import resolve_compute_dtype
from malariafuse.networks import RandomStainJitter, build_resnet18

BATCH = 64


class Clock(keras.callbacks.Callback):
    """Median time of a step, the first ones, which compile, left out."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    @property
    def seconds(self):
        return float(np.median(np.diff(self.ends)[2:]))


def images_of(n_samples, size, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (n_samples, size, size, 3), dtype=np.uint8)
    return images, np.arange(n_samples) % 2


def by_keras(images, target, filters, clock):
    """Train as a user would write it, the same augmentation in front."""
    size = images.shape[1]
    network = build_resnet18((size, size, 3), filters=filters, pool_size=None)
    model = keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.RandomFlip(),
            keras.layers.RandomRotation(0.5, fill_mode="constant"),
            RandomStainJitter(),
            network,
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        "binary_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        images / np.float32(255),
        target,
        batch_size=BATCH,
        callbacks=[clock],
        verbose=0,
    )


def by_us(images, target, filters, clock, **parameters):
    ResNet18Classifier(
        filters=filters,
        epochs=1,
        batch_size=BATCH,
        callbacks=[clock],
        random_state=0,
        **parameters,
    ).fit(images, target)


def small_fit(settings):
    """Time a whole fit that is mostly building and compiling."""
    n_samples, size = settings.pick((500, 48), (32, 16))
    images, target = images_of(n_samples, size)
    filters = settings.pick(16, 2)

    def ours():
        ResNet18Classifier(filters=filters, epochs=1, random_state=0).fit(
            images, target
        )

    ratio, details = in_turn(
        ours,
        lambda: by_keras(images, target, filters, Clock()),
        settings.repeats,
    )
    return Row(
        f"fit, 1 epoch, {n_samples} images, {size} px, compiling included",
        "keras fit, float32, same augmentation",
        ratio,
        1 / 1.2,
        details=details,
    )


def step_time(fit):
    clock = Clock()
    fit(clock)
    return clock.seconds


def rows(settings):
    yield small_fit(settings)
    repeats, filters = settings.repeats, settings.pick(64, 2)
    chosen = resolve_compute_dtype("auto")
    for size, n_batches in settings.pick(((32, 16), (64, 10)), ((16, 4),)):
        images, target = images_of(n_batches * BATCH, size)

        def ours(clock, images=images, target=target, **parameters):
            by_us(images, target, filters, clock, **parameters)

        def plain(clock, images=images, target=target):
            by_keras(images, target, filters, clock)

        def without_augmentation(clock, ours=ours):
            ours(clock, augmentation=None)

        what = f"ResNet-18, {filters} filters, {size} px"
        for precision in dict.fromkeys([chosen, "float32"]):
            ratio, details = in_turn(
                partial(ours, compute_dtype=precision),
                plain,
                repeats,
                step_time,
                warm_up=False,
            )
            yield Row(
                f"train {what}, {precision}",
                "keras fit, float32, same augmentation",
                ratio,
                1.7 if settings.amx and precision == "bfloat16" else 0.97,
                details=details,
            )
        ratio, details = in_turn(
            ours, without_augmentation, repeats, step_time, warm_up=False
        )
        yield Row(
            f"train {what}",
            "the same without augmentation",
            ratio,
            0.93,
            details=details,
        )
