"""Feature extractors for images of single cells."""

from typing import TYPE_CHECKING, Any

from malariafuse._extras import needed_for
from malariafuse._quiet import quiet_tensorflow
from malariafuse.features._spots import SpotFeatureExtractor

if TYPE_CHECKING:
    from malariafuse.features._pretrained import PretrainedFeatureExtractor

__all__ = ["PretrainedFeatureExtractor", "SpotFeatureExtractor"]


def __getattr__(name: str) -> Any:
    # Worker processes of SpotFeatureExtractor import this package and do not need
    # Keras, which would take seconds and half a gigabyte in each.
    if name == "PretrainedFeatureExtractor":
        with needed_for("Pretrained networks"), quiet_tensorflow():
            from malariafuse.features._pretrained import PretrainedFeatureExtractor

        return PretrainedFeatureExtractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
