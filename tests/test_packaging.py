"""Versions that are written down in two places are the same in both."""

import re
import tomllib
from pathlib import Path

import pytest

import malariafuse
from malariafuse._extras import _EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def versions(lines: list[str], operator: str) -> dict[str, str]:
    pairs = (line.split(operator) for line in lines if operator in line)
    return dict(pairs)


def constraints(name: str) -> dict[str, str]:
    return versions((ROOT / "constraints" / name).read_text().split(), "==")


def requirements(*extras: str) -> list[str]:
    """Return what is installed with some extras, and with the extras that they need."""
    lines = list(PROJECT["dependencies"])
    wanted = list(extras)
    for extra in wanted:
        for line in PROJECT["optional-dependencies"][extra]:
            needed = re.fullmatch(r"malariafuse\[(.*)\]", line)
            if needed is None:
                lines.append(line)
            else:
                wanted += [e for e in needed[1].split(",") if e not in wanted]
    return lines


def names(*extras: str) -> set[str]:
    return {re.split("[>=]", line)[0] for line in requirements(*extras)}


def test_floors_are_the_oldest_versions_tested() -> None:
    oldest = constraints("oldest.txt")
    for name, floor in versions(
        requirements("tests", "openvino", "onnx-export", "dask"), ">="
    ).items():
        assert f"{oldest[name]}.".startswith(f"{floor}."), name


def test_newest_versions_are_known_of_every_dependency() -> None:
    needed = versions(
        requirements(
            "tests",
            "openvino",
            "onnx-export",
            "scikeras",
            "skops",
            "browser",
            "docs",
            "dask",
        ),
        ">=",
    )
    assert constraints("newest.txt").keys() == needed.keys()


def test_a_light_installation_has_no_tensorflow() -> None:
    networks = {"keras", "tensorflow"}
    assert not networks & names()
    assert names("onnx") - names() == {"onnxruntime"}
    # The commands of the README train networks.
    for extra in ("keras", "plots", "tests", "docs", "onnx-export"):
        assert networks <= names(extra), extra


def test_extras_that_are_missing_are_named_as_they_are() -> None:
    for _, extra in _EXTRAS.values():
        assert extra in PROJECT["optional-dependencies"]
    assert set(_EXTRAS) <= names(*(extra for _, extra in _EXTRAS.values()))


@pytest.mark.parametrize("tool", ["codespell", "ruff"])
def test_pre_commit_runs_the_linters_of_the_lint_extra(tool: str) -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    revision = re.search(rf"repo: \S*/{tool}(?:-pre-commit)?\n +rev: v(\S+)", hooks)
    assert revision is not None
    assert f"{tool}=={revision[1]}" in PROJECT["optional-dependencies"]["lint"]


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_this_version_is_cited_and_described(file: str) -> None:
    assert malariafuse.__version__ in (ROOT / file).read_text()
