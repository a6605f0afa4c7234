"""Loading of pretrained models."""

from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any

from sklearn.pipeline import Pipeline

from malariafuse._plain import from_plain
from malariafuse._version import __version__
from malariafuse.evaluation import PatientTest
from malariafuse.model_selection import SlideAdapter
from malariafuse.patients import SmearReader
from malariafuse.pretrained._files import read_card, read_model

_OURS = Path(__file__).with_name("red_cells")


def load_pretrained(folder: str | PathLike[str] | None = None) -> Pipeline:
    """Load a pretrained pipeline that classifies images of red cells.

    The pipeline loads image files or images in memory, sets the background of each cell
    to black, warns if the images do not look like stained red cells, and classifies
    them as parasitized (1) or uninfected (0) with a
    :class:`~malariafuse.classifiers.FeatureFusionClassifier`. The model is part of the
    package, so nothing is downloaded. No code in the files is executed.

    Read :func:`model_card` before use. It describes the training data, the evaluation
    and the limitations of the model. Check the model on labeled cells of your
    laboratory.

    Read more in the :ref:`User Guide <pretrained>`.

    Parameters
    ----------
    folder : path-like, default=None
        Folder written by :func:`save_pretrained`. None uses the model of the package.

    Returns
    -------
    Pipeline
        Fitted pipeline. The model of the package has the steps "load", "mask", "guard"
        and "classify". The input is a list of paths, bytes, open files, Pillow images
        or arrays of shape (height, width, 3), each with a single cell and a small
        margin. `predict_proba` returns an array of shape (n_samples, 2), float32, whose
        second column is the probability of "parasitized". `predict` applies the
        threshold of the model card.

    Raises
    ------
    FileNotFoundError
        If there is no model in the folder.
    ValueError
        If a file is damaged or has an unsupported format.

    See Also
    --------
    load_slide_adapter : Load the adapter to slides of another laboratory.
    load_patient_test : Load the test of patients.
    malariafuse.classifiers.FeatureFusionClassifier : Classifier that you can train.

    Examples
    --------
    >>> import warnings
    >>> from malariafuse import load_pretrained
    >>> from malariafuse.datasets import make_cell_images
    >>> model = load_pretrained()
    >>> list(model.named_steps)
    ['load', 'mask', 'guard', 'classify']

    The guard warns, because synthetic cells differ from stained cells:

    >>> cells = make_cell_images(6, 2, image_size=(90, 90), random_state=0)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     probability = model.predict_proba(list(cells.images))
    >>> probability.shape
    (6, 2)
    """
    return Pipeline(_part(folder, "steps", list))


def load_slide_adapter(folder: str | PathLike[str] | None = None) -> SlideAdapter:
    """Load the slide adapter of a pretrained pipeline.

    Parameters
    ----------
    folder : path-like, default=None
        Folder written by :func:`save_pretrained`. None uses the model of the package.

    Returns
    -------
    SlideAdapter
        Adapter fitted to out-of-fold probabilities of the pipeline.

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load_pretrained`, or if the model has no slide adapter.

    Examples
    --------
    >>> from malariafuse.pretrained import load_slide_adapter
    >>> adapter = load_slide_adapter()
    >>> adapter.adapt([0.2, 0.9], ["slide 1", "slide 1"]).shape
    (2,)
    """
    adapter: SlideAdapter = _part(folder, "slide_adapter", SlideAdapter)
    return adapter


def load_patient_test(folder: str | PathLike[str] | None = None) -> PatientTest:
    """Load the test of patients of a pretrained pipeline.

    Parameters
    ----------
    folder : path-like, default=None
        Folder written by :func:`save_pretrained`. None uses the model of the package.

    Returns
    -------
    PatientTest
        Test fitted to out-of-fold probabilities of the pipeline. Its specificity holds
        for the laboratory of the training data.

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load_pretrained`, or if the model has no test of patients.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.pretrained import load_patient_test
    >>> cells = [*np.linspace(0.95, 1, 30), *np.linspace(0, 0.1, 300)]
    >>> load_patient_test().test(cells, "C7")["verdict"].to_dict()
    {'C7': 'infected'}
    """
    patient_test: PatientTest = _part(folder, "patient_test", PatientTest)
    return patient_test


def load_smear_reader(
    folder: str | PathLike[str] | None = None, **parameters: Any
) -> SmearReader:
    """Load a pretrained reader of photographs of thin smears.

    The reader takes the photographs of a patient and returns a verdict, the parasitemia
    with an interval, and the classified cells. It consists of the pretrained pipeline,
    its slide adapter if available, and its test of patients.

    Read :func:`model_card` before use.

    Parameters
    ----------
    folder : path-like, default=None
        Folder written by :func:`save_pretrained`. None uses the model of the package.
    **parameters : dict
        Other parameters of :class:`~malariafuse.patients.SmearReader`, such as
        `segmenter` or `red_cells_per_microliter`.

    Returns
    -------
    SmearReader
        Fitted reader.

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load_pretrained`, or if the model has no test of patients.

    See Also
    --------
    load_pretrained : Load the classifier of single cells.

    Examples
    --------
    >>> from malariafuse import load_smear_reader
    >>> reader = load_smear_reader(red_cells_per_microliter=4_200_000)
    >>> reader.patient_test_.specificity
    0.95
    """
    # The files are read once for all parts.
    steps, patient_test, slide_adapter = _parts(
        folder,
        steps=list,
        patient_test=PatientTest,
        slide_adapter=SlideAdapter | None,
    )
    return SmearReader.from_fitted(
        Pipeline(steps),
        patient_test,
        slide_adapter,
        card=model_card(folder),
        **parameters,
    )


def model_card(folder: str | PathLike[str] | None = None) -> dict[str, Any]:
    """Return the model card of a pretrained pipeline.

    Parameters
    ----------
    folder : path-like, default=None
        Folder written by :func:`save_pretrained`. None uses the model of the package.

    Returns
    -------
    dict
        Data, protocol, metrics, intended use, limitations, versions and SHA-256.

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load_pretrained`.

    Examples
    --------
    >>> from malariafuse.pretrained import model_card
    >>> model_card()["classes"]
    {'0': 'uninfected', '1': 'parasitized'}
    """
    return read_card(_folder(folder))


def _folder(folder: str | PathLike[str] | None) -> Path:
    return _OURS if folder is None else Path(folder)


def _part(folder: str | PathLike[str] | None, name: str, kind: type) -> Any:
    (part,) = _parts(folder, **{name: kind})
    return part


def _parts(folder: str | PathLike[str] | None, **kinds: type | UnionType) -> list[Any]:
    """Return the parts of a model, of the given kinds and in their order."""
    structure, arrays = read_model(_folder(folder))
    try:
        # The other parts may need Keras, which may be missing here.
        parts = {name: from_plain(structure, arrays, only=name) for name in kinds}
    except ValueError as error:
        stored_by = model_card(folder)["malariafuse"]
        if stored_by == __version__:
            raise
        raise ValueError(
            f"The model in folder={str(folder)!r} was stored by malariafuse "
            f"{stored_by}, but malariafuse {__version__} cannot read it: {error}"
        ) from error
    for name, kind in kinds.items():
        if not isinstance(parts[name], kind):
            raise ValueError(
                f"The model in folder={str(folder)!r} has no {name.replace('_', ' ')}."
            )
    return list(parts.values())
