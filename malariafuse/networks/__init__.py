"""Keras networks and augmentation layers for images of cells.

The networks are functions that return a `keras.Model`. They can be used without the
other subpackages.
"""

from malariafuse._extras import needed_for
from malariafuse._quiet import quiet_tensorflow

with needed_for("Networks"), quiet_tensorflow():
    from malariafuse.networks._augmentation import RandomQuarterTurn, RandomStainJitter
    from malariafuse.networks._camera_augmentation import (
        RandomBlur,
        RandomCropJitter,
        RandomJPEG,
    )
    from malariafuse.networks._convnet import build_convnet
    from malariafuse.networks._fusion import build_fusion
    from malariafuse.networks._mask_augmentation import (
        RandomBackground,
        RandomMaskJitter,
    )
    from malariafuse.networks._resnet18 import build_resnet18

__all__ = [
    "RandomBackground",
    "RandomBlur",
    "RandomCropJitter",
    "RandomJPEG",
    "RandomMaskJitter",
    "RandomQuarterTurn",
    "RandomStainJitter",
    "build_convnet",
    "build_fusion",
    "build_resnet18",
]
