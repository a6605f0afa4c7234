"""Classifiers of cell images: Keras networks with the scikit-learn interface."""

from malariafuse._extras import needed_for
from malariafuse._quiet import quiet_tensorflow

with needed_for("Classifiers"), quiet_tensorflow():
    from malariafuse.classifiers._base import BaseImageClassifier
    from malariafuse.classifiers._convnet import ConvNetClassifier
    from malariafuse.classifiers._finetuned import FineTunedClassifier
    from malariafuse.classifiers._fusion import FeatureFusionClassifier
    from malariafuse.classifiers._keras import KerasImageClassifier
    from malariafuse.classifiers._resnet18 import ResNet18Classifier

__all__ = [
    "BaseImageClassifier",
    "ConvNetClassifier",
    "FeatureFusionClassifier",
    "FineTunedClassifier",
    "KerasImageClassifier",
    "ResNet18Classifier",
]
