"""Classifiers of images of cells: Keras networks behind scikit-learn's interface."""

from malariafuse.classifiers._convnet import ConvNetClassifier
from malariafuse.classifiers._fusion import FeatureFusionClassifier
from malariafuse.classifiers._keras import KerasImageClassifier
from malariafuse.classifiers._resnet18 import ResNet18Classifier

__all__ = [
    "ConvNetClassifier",
    "FeatureFusionClassifier",
    "KerasImageClassifier",
    "ResNet18Classifier",
]
