"""Estimators link their documentation, and results are printed short."""

import importlib
import inspect
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from malariafuse import HSVConverter
from malariafuse._bunch import Bunch

API = Path(__file__).parents[1] / "docs" / "api"
PACKAGES = [
    "classifiers",
    "deploy",
    "evaluation",
    "features",
    "model_selection",
    "patients",
    "preprocessing",
    "quality",
    "smears",
]
ESTIMATORS = [
    (package, value)
    for package in PACKAGES
    for module in [importlib.import_module(f"malariafuse.{package}")]
    for value in map(vars(module).get, module.__all__)
    if inspect.isclass(value)
    and issubclass(value, BaseEstimator)
    and not inspect.isabstract(value)
]


@pytest.mark.parametrize(("package", "estimator"), ESTIMATORS)
def test_every_estimator_links_its_page(package, estimator):
    name = estimator.__name__
    assert f"   {name}\n" in (API / f"{package}.rst").read_text("utf-8")
    page = estimator._get_doc_link(object.__new__(estimator))
    assert page.endswith(f"/generated/malariafuse.{package}.{name}.html")


def test_parameters_have_tooltips():
    shown = HSVConverter()._repr_html_()
    assert "generated/malariafuse.preprocessing.HSVConverter.html" in shown
    assert shown.count('class="param-doc-link"') == len(HSVConverter().get_params())


def test_a_bunch_is_printed_short():
    bunch = Bunch(
        images=np.zeros((1000, 48, 48, 3), dtype=np.uint8),
        table=pd.DataFrame({"path": ["a.png"] * 50, "label": 1}),
        names=["uninfected", "parasitized"],
        refused=[("a.png", "no image")] * 5,
        DESCR="Cells\n=====\n",
        memory=None,
    )
    assert repr(bunch) == (
        "Bunch(\n"
        "    images=<array of shape (1000, 48, 48, 3), dtype uint8>,\n"
        "    table=<DataFrame of 50 x 2>,\n"
        "    names=['uninfected', 'parasitized'],\n"
        "    refused=<list of 5>,\n"
        "    DESCR=<text of 2 lines>,\n"
        "    memory=None,\n"
        ")"
    )
    assert repr(Bunch()) == "Bunch()"
    assert pickle.loads(pickle.dumps(bunch)).names == ["uninfected", "parasitized"]
