import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import malariafuse

PUBLIC = sorted(
    (f"malariafuse.{name}.{member}", getattr(package, member))
    for name in malariafuse._SUBPACKAGES
    for package in [importlib.import_module(f"malariafuse.{name}")]
    for member in package.__all__
)


def in_new_process(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_import_loads_neither_tensorflow_nor_opencv():
    loaded = in_new_process(
        "import sys, malariafuse;"
        "print({'tensorflow', 'keras', 'cv2', 'sklearn'} & set(sys.modules))"
    )
    assert loaded == "set()"


@pytest.mark.parametrize(
    "package",
    sorted(set(malariafuse._SUBPACKAGES) - {"classifiers", "networks"}),
)
def test_only_networks_need_keras(package):
    loaded = in_new_process(
        f"import sys, malariafuse.{package};"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    assert loaded == "set()"


def test_every_name_at_the_top_is_there():
    assert malariafuse.__all__ == sorted(malariafuse.__all__)
    assert set(malariafuse.__all__) <= set(dir(malariafuse))
    for name in malariafuse.__all__:
        assert getattr(malariafuse, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'ResNet19Classifier'"):
        malariafuse.ResNet19Classifier  # noqa: B018


def test_public_names_are_sorted_and_modules_private():
    for name in malariafuse._SUBPACKAGES:
        package = importlib.import_module(f"malariafuse.{name}")
        assert package.__all__ == sorted(package.__all__)
        modules = [module.name for module in pkgutil.iter_modules(package.__path__)]
        assert all(module.startswith("_") for module in modules)


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_docstring_has_its_sections(name, thing):
    documented = (ClassDoc if inspect.isclass(thing) else FunctionDoc)(thing)
    assert documented["Examples"]
    described = [
        part.strip().lstrip("*")
        for parameter in documented["Parameters"]
        for part in parameter.name.split(",")
    ]
    assert described == list(inspect.signature(thing).parameters)
    if not inspect.isclass(thing):
        assert documented["Returns"]
