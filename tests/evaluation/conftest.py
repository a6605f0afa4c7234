from collections.abc import Callable

import pytest
from simulated import draw_cells


@pytest.fixture(scope="session")
def simulate() -> Callable:
    return draw_cells


@pytest.fixture(scope="session")
def cells():
    """Labels, probabilities and patients of 40 patients."""
    return draw_cells(0)
