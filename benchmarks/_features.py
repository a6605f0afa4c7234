"""Handcrafted features, against what the smallest network takes for the same cells."""

import numpy as np
from _timing import Row, in_turn

from malariafuse import ResNet18Classifier, SpotFeatureExtractor


def rows(settings):
    size = settings.pick(48, 16)
    cells = settings.cells(size)
    images = np.ascontiguousarray(cells.images[: settings.pick(512, 16)])
    extractor = SpotFeatureExtractor(n_jobs=1).fit(images)
    # Its weights do not change the time that it takes.
    classifier = ResNet18Classifier(
        filters=settings.pick(64, 2), epochs=1, random_state=0
    ).fit(images[:16], np.arange(16) % 2)
    ratio, details = in_turn(
        lambda: extractor.transform(images),
        lambda: classifier.predict_proba(images),
        settings.repeats,
    )
    details["milliseconds_a_cell"] = (
        1000 * float(np.median(details["seconds_ours"])) / len(images)
    )
    of = f"{len(images)} {settings.kind_of_cells} cells, {size} px"
    yield Row(
        f"handcrafted features, {of}",
        f"predict_proba, ResNet-18, {classifier.filters} filters",
        ratio,
        5,
        details=details,
    )
