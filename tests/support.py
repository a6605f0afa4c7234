"""Tiny networks and data for the tests; importable in worker processes."""

import os
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def without_addresses(text: str) -> str:
    """Return the name of a test without addresses, which differ between processes.

    pytest-xdist compares the names that its processes find.
    """
    return re.sub("0x[0-9a-f]+", "", text)


def tiny_network(input_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(
                n_outputs, activation="sigmoid" if n_outputs == 1 else "softmax"
            ),
        ]
    )


def linear_network(input_shape, n_outputs):
    """Logistic regression on the mean of each channel: the quickest to build."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(
                n_outputs, activation="sigmoid" if n_outputs == 1 else "softmax"
            ),
        ]
    )


def normalized_network(input_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(4, 3, strides=2, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(n_outputs, activation="sigmoid"),
        ]
    )


def logged_network(input_shape, n_outputs, *, log: str, width: int = 4):
    """A tiny network that leaves one line in the file `log` each time it is built."""
    with Path(log).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(n_outputs, activation="sigmoid"),
        ]
    )


def dark_spots(
    n_samples: int = 48, size: int = 16, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Noise, half of it with a dark square in the middle, of six patients."""
    generator = np.random.default_rng(seed)
    images = generator.integers(90, 256, (n_samples, size, size, 3), dtype=np.uint8)
    target = np.arange(n_samples) % 2
    middle = slice(size // 8, 7 * size // 8)
    images[target == 1, middle, middle] //= 8
    return images, target, np.arange(n_samples) // 2 % 6


def fast(**parameters: Any) -> dict[str, Any]:
    """Settings of a training that learns `dark_spots` in about a second."""
    return {
        "epochs": 10,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 0.05,
        "augmentation": None,
        "compute_dtype": "float32",
        "random_state": 0,
        **parameters,
    }
