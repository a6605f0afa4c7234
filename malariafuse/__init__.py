"""Classify crops of single red blood cells as parasitized or uninfected.

Transformers and Keras-backed classifiers that follow scikit-learn's conventions.
The names below and the subpackages are loaded on first use, so ``import malariafuse``
costs neither OpenCV nor TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from malariafuse._version import __version__ as __version__

if TYPE_CHECKING:
    from malariafuse import (
        classifiers,
        datasets,
        deploy,
        evaluation,
        features,
        metrics,
        model_selection,
        networks,
        patients,
        plotting,
        preprocessing,
        pretrained,
        quality,
        smears,
    )
    from malariafuse.classifiers import (
        ConvNetClassifier,
        FeatureFusionClassifier,
        FineTunedClassifier,
        KerasImageClassifier,
        ResNet18Classifier,
    )
    from malariafuse.features import PretrainedFeatureExtractor, SpotFeatureExtractor
    from malariafuse.preprocessing import (
        BackgroundMasker,
        ConcavityMarker,
        GaussianSmoother,
        HSVConverter,
        ImageLoader,
    )
    from malariafuse.pretrained import load_pretrained, load_smear_reader
    from malariafuse.quality import CellGuard, CellOutlierDetector

_SUBPACKAGES = (
    "classifiers",
    "datasets",
    "deploy",
    "evaluation",
    "features",
    "metrics",
    "model_selection",
    "networks",
    "patients",
    "plotting",
    "preprocessing",
    "pretrained",
    "quality",
    "smears",
)
_HOME = {
    "BackgroundMasker": "preprocessing",
    "CellGuard": "quality",
    "CellOutlierDetector": "quality",
    "ConcavityMarker": "preprocessing",
    "ConvNetClassifier": "classifiers",
    "FeatureFusionClassifier": "classifiers",
    "FineTunedClassifier": "classifiers",
    "GaussianSmoother": "preprocessing",
    "HSVConverter": "preprocessing",
    "ImageLoader": "preprocessing",
    "KerasImageClassifier": "classifiers",
    "PretrainedFeatureExtractor": "features",
    "ResNet18Classifier": "classifiers",
    "SpotFeatureExtractor": "features",
    "load_pretrained": "pretrained",
    "load_smear_reader": "pretrained",
}

__all__ = [
    "BackgroundMasker",
    "CellGuard",
    "CellOutlierDetector",
    "ConcavityMarker",
    "ConvNetClassifier",
    "FeatureFusionClassifier",
    "FineTunedClassifier",
    "GaussianSmoother",
    "HSVConverter",
    "ImageLoader",
    "KerasImageClassifier",
    "PretrainedFeatureExtractor",
    "ResNet18Classifier",
    "SpotFeatureExtractor",
    "classifiers",
    "datasets",
    "deploy",
    "evaluation",
    "features",
    "load_pretrained",
    "load_smear_reader",
    "metrics",
    "model_selection",
    "networks",
    "patients",
    "plotting",
    "preprocessing",
    "pretrained",
    "quality",
    "smears",
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
