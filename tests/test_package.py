import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import malariafuse

PUBLIC = sorted(
    (f"malariafuse.{name}.{member}", getattr(package, member))
    for name in malariafuse._SUBPACKAGES
    for package in [importlib.import_module(f"malariafuse.{name}")]
    for member in package.__all__
)
METHODS = [
    f"{name}.{method}"
    for name, thing in PUBLIC
    if inspect.isclass(thing)
    for method, value in vars(thing).items()
    if not method.startswith("_")
    and (inspect.isfunction(value) or isinstance(value, (classmethod, property)))
]
# Checks of numpydoc that are not required, with the reason.
NOT_REQUIRED = {
    "ES01": "A summary without an extended summary can be complete.",
    "EX01": "Methods are shown in the example of their class.",
    "GL01": "The summary follows the opening quotes, which numpydoc 1.9 rejects.",
    "RT02": "A single return value may have a name, such as self in scikit-learn.",
    "SA01": "Methods are documented together with their class.",
}
# Phrases that a reader has to read twice, and British spelling.
FORBIDDEN = re.compile(
    r"\b(beside|told|wished|how-manieth|(is|are) to (hold|be|have)|speaks? for)\b"
    r"|(^|\. |\n\n)\s*What [^.?]* is\b"
    r"|\b(colour|behaviour|grey|centre|catalogue)s?\b"
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


@pytest.mark.parametrize("name", [*(name for name, _ in PUBLIC), *METHODS])
def test_docstring_is_valid_and_clear(name):
    document = validate(name)

    errors = [error for error in document["errors"] if error[0] not in NOT_REQUIRED]
    assert errors == []
    assert FORBIDDEN.search(document["docstring"]) is None


@pytest.mark.parametrize("name", malariafuse._SUBPACKAGES)
def test_docstring_of_package_is_one_clear_line(name):
    summary, *more = getattr(malariafuse, name).__doc__.splitlines()

    assert summary.endswith(".")
    assert FORBIDDEN.search("\n".join([summary, *more])) is None
