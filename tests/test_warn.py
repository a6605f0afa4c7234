"""A warning points to the line of the user, however deep in the package it is given."""

import warnings

from malariafuse.evaluation import patient_table, summarize


def test_warnings_point_here():
    arguments = [0, 0, 1, 1], [0.9, 0.8, 0.1, 0.2], ["a", "b", "c", "d"]
    for function in (summarize, patient_table):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function(*arguments)
        (warning,) = caught
        assert "ROC AUC is 0.000" in str(warning.message)
        assert warning.filename == __file__


def test_code_without_a_module_is_warned():
    code = """
from malariafuse.evaluation import patient_table
patient_table([0, 0, 1, 1], [0.9, 0.8, 0.1, 0.2], ["a", "b", "c", "d"])
"""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(code, "typed", "exec"), {})
    (warning,) = caught
    assert (warning.filename, warning.lineno) == ("typed", 3)
