from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _without_windows() -> Iterator[None]:
    """Draw in memory only, and leave no figure open."""
    matplotlib.use("Agg")
    yield
    plt.close("all")
