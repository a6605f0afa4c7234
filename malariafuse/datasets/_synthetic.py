"""Drawn cells that stand in for real ones in examples and tests."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from malariafuse._bunch import Bunch
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import (
    RANDOM_STATE,
    Integers,
    Reals,
    check_parameter,
)
from malariafuse.datasets._cell_drawing import draw_cell, draw_slides

_SLIDES_PER_PATIENT = 2
_MOST = 10**7

_DESCR = """Synthetic crops of single red blood cells
=========================================

{n_samples} drawn images of {n_patients} made-up patients, {n_healthy} of them without \
an infected cell;
{n_parasitized} images are parasitized. Stain and light differ by patient and slide.
They exist to try code on. No result obtained from them says anything about diagnosis.
"""


def make_cell_images(
    n_samples: int = 1000,
    n_patients: int = 20,
    *,
    image_size: tuple[int, int] = (48, 48),
    parasitized_fraction: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw images that look like crops of stained red blood cells.

    A round to oval cell fills a black crop, as in the NIH set of thin-smear crops. The
    stain, the light, the sharpness and the noise differ by patient and by slide.
    Parasitized cells hold one to three parasites: a chromatin dot at the border of the
    cell, a ring with one or two dots, a crescent, or a large trophozoite with pigment.
    Cells of both classes hold platelets, stain deposits, dirt, bubbles and dark rims,
    so that counting dark or purple pixels does not tell the classes apart: the shape
    has to be seen.

    One patient in four is healthy and has uninfected cells only; every other patient
    has cells of both classes.

    .. warning::
        These images serve to try code, to teach and to test. A score obtained on them
        is never evidence of diagnostic quality.

    Parameters
    ----------
    n_samples : int, default=1000
        The number of images.
    n_patients : int, default=20
        The number of patients; ``round(n_patients / 4)`` of them are healthy.
    image_size : tuple of (int, int), default=(48, 48)
        Height and width of the images, in pixels.
    parasitized_fraction : float, default=0.5
        The share of parasitized cells among all images, between 0 and 1, both
        excluded.
    random_state : int, RandomState instance or None, default=None
        Seed or generator that draws the images. Pass an int for the same images in
        every call.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes, in shuffled order:

        images : ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB, 0..255.
        target : ndarray of shape (n_samples,), dtype int64
            1 for a parasitized cell, 0 for an uninfected one.
        groups : ndarray of shape (n_samples,), dtype int64
            The patient, 1 to `n_patients`.
        filenames : ndarray of shape (n_samples,), dtype str
            Names in the manner of the NIH set: the number after the leading C is the
            patient.
        target_names : list of str
            ``["uninfected", "parasitized"]``.
        DESCR : str
            A description of the data.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or if there are too few images to give
        every patient an uninfected and every infected patient a parasitized cell.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load real images.
    malariafuse.datasets.fetch_malaria_cells : Download the NIH set.

    Notes
    -----
    Colors follow the law of Beer and Lambert, as in color deconvolution [1]_: light
    that passes through stained matter is weakened in each channel by
    ``exp(-density * absorbance)``, so that overlapping objects darken each other.

    References
    ----------
    .. [1] A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical staining
       by color deconvolution", Analytical and Quantitative Cytology and Histology 23,
       291-299, 2001.

    Examples
    --------
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(n_samples=40, n_patients=4, random_state=0)
    >>> cells.images.shape
    (40, 48, 48, 3)
    >>> int(cells.target.sum()), sorted(set(cells.groups.tolist()))
    (20, [1, 2, 3, 4])
    """
    height, width = check_image_size(image_size)
    check_parameter("n_samples", n_samples, [Integers(1, _MOST)])
    check_parameter("n_patients", n_patients, [Integers(1, _MOST)])
    check_parameter(
        "parasitized_fraction", parasitized_fraction, [Reals(0, 1, open_at="both")]
    )
    check_parameter("random_state", random_state, RANDOM_STATE)
    rng = check_random_state(random_state)
    target, groups, healthy = _draw_patients(
        n_samples, n_patients, parasitized_fraction, rng
    )
    slides = [
        slide
        for _ in range(n_patients)
        for slide in draw_slides(_SLIDES_PER_PATIENT, rng)
    ]
    slide_numbers = rng.randint(_SLIDES_PER_PATIENT, size=n_samples)

    images = np.empty((n_samples, height, width, 3), dtype=np.uint8)
    filenames = []
    for i, (patient, slide_number) in enumerate(
        zip(groups, slide_numbers, strict=True)
    ):
        slide = slides[(patient - 1) * _SLIDES_PER_PATIENT + slide_number]
        images[i] = draw_cell(slide, bool(target[i]), (height, width), rng)
        kind = "NThinF" if patient in healthy else "ThinF"
        filenames.append(
            f"C{patient}P{patient}{kind}_{slide_number + 1}_cell_{i + 1}.png"
        )
    return Bunch(
        images=images,
        target=target,
        groups=groups,
        filenames=np.array(filenames),
        target_names=["uninfected", "parasitized"],
        DESCR=_DESCR.format(
            n_samples=n_samples,
            n_patients=n_patients,
            n_healthy=len(healthy),
            n_parasitized=int(target.sum()),
        ),
    )


def _draw_patients(
    n_samples: int,
    n_patients: int,
    parasitized_fraction: float,
    rng: np.random.RandomState,
) -> tuple[NDArray[np.int64], NDArray[np.int64], set[int]]:
    """Return the class and the patient of every image, and the healthy patients."""
    patients = rng.permutation(np.arange(1, n_patients + 1))
    healthy, infected = np.split(patients, [round(n_patients / 4)])
    n_parasitized = round(n_samples * parasitized_fraction)
    n_uninfected = n_samples - n_parasitized
    if n_parasitized < len(infected) or n_uninfected < n_patients:
        raise ValueError(
            f"n_samples={n_samples} with parasitized_fraction={parasitized_fraction} "
            f"makes {n_parasitized} parasitized and {n_uninfected} uninfected cells: "
            f"too few for n_patients={n_patients}, {len(infected)} of them infected. "
            "Every patient needs an uninfected cell, every infected one a parasitized "
            "cell."
        )

    def share_out(n_cells: int, among: NDArray[np.int64]) -> NDArray[np.int64]:
        # Real patients give very unequal numbers of cells, hence the random weights.
        weights = rng.dirichlet(np.full(len(among), 2.0))
        return np.repeat(among, 1 + rng.multinomial(n_cells - len(among), weights))

    groups = np.concatenate(
        [share_out(n_parasitized, infected), share_out(n_uninfected, patients)]
    )
    target = np.repeat([1, 0], [n_parasitized, n_uninfected])
    order = rng.permutation(n_samples)
    return (
        target[order].astype(np.int64),
        groups[order].astype(np.int64),
        set(healthy.tolist()),
    )
