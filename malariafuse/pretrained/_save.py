"""Storage of fitted pipelines without code."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from malariafuse._parameters import Instances, check_parameter
from malariafuse._plain import to_plain
from malariafuse._trees import BoostedTrees
from malariafuse.evaluation import PatientTest
from malariafuse.model_selection import SlideAdapter
from malariafuse.pretrained._files import write_model

# The storage format of scikit-learn depends on its version.
_CONVERTERS = {
    HistGradientBoostingClassifier: BoostedTrees.of,
    FixedThresholdClassifier: BoostedTrees.of_fixed_threshold,
}


def save_pretrained(
    folder: str | PathLike[str],
    pipeline: Pipeline,
    *,
    slide_adapter: SlideAdapter | None = None,
    patient_test: PatientTest | None = None,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Save a fitted pipeline of this package as JSON and plain arrays.

    Unlike pickle and joblib, no code is stored, and no code is executed on loading.
    Gradient boosting of scikit-learn is stored as trees, also with a fixed threshold.

    Parameters
    ----------
    folder : path-like
        Output folder, created if it does not exist.
    pipeline : Pipeline
        Fitted pipeline with steps of this package.
    slide_adapter : SlideAdapter, default=None
        Fitted adapter for the probabilities of the pipeline.
    patient_test : PatientTest, default=None
        Fitted test of patients for the probabilities of the pipeline.
    card : mapping, default=None
        Model card that can be stored as JSON: data, protocol, metrics, intended use and
        limitations. The version and the SHA-256 of the files are added.

    Returns
    -------
    pathlib.Path
        Path of the output folder.

    Raises
    ------
    TypeError
        If a step or a part of a step is not of this package.
    NotFittedError
        If the pipeline is not fitted.

    See Also
    --------
    load_pretrained : Load a saved pipeline.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.pipeline import make_pipeline
    >>> from malariafuse import GaussianSmoother, HSVConverter
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.pretrained import load_pretrained, save_pretrained
    >>> cells = make_cell_images(4, 2, random_state=0).images
    >>> pipeline = make_pipeline(GaussianSmoother(kernel_size=3), HSVConverter())
    >>> with TemporaryDirectory() as folder:
    ...     _ = save_pretrained(folder, pipeline.fit(cells))
    ...     print(sorted(file.name for file in Path(folder).iterdir()))
    ...     loaded = load_pretrained(folder)
    ['model.json', 'model_card.json', 'weights.npz']
    >>> bool((loaded.transform(cells) == pipeline.transform(cells)).all())
    True
    """
    check_parameter("pipeline", pipeline, [Instances(Pipeline, "a fitted Pipeline")])
    check_is_fitted(pipeline)
    parts = {
        "steps": list(pipeline.steps),
        "slide_adapter": slide_adapter,
        "patient_test": patient_test,
    }
    structure, arrays = to_plain(parts, _CONVERTERS)
    write_model(Path(folder), structure, arrays, dict(card or {}))
    return Path(folder)
