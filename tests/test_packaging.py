"""Versions that are written down in two places are the same in both."""

import re
import tomllib
from pathlib import Path

import pytest

import malariafuse

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def versions(lines: list[str], operator: str) -> dict[str, str]:
    pairs = (line.split(operator) for line in lines if operator in line)
    return dict(pairs)


def constraints(name: str) -> dict[str, str]:
    return versions((ROOT / "constraints" / name).read_text().split(), "==")


def requirements(*extras: str) -> list[str]:
    optional = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + [line for e in extras for line in optional[e]]
    return [line for line in lines if not line.startswith("malariafuse")]


def test_floors_are_the_oldest_versions_tested() -> None:
    oldest = constraints("oldest.txt")
    for name, floor in versions(
        requirements("plots", "tests", "openvino"), ">="
    ).items():
        assert f"{oldest[name]}.".startswith(f"{floor}."), name


def test_newest_versions_are_known_of_every_dependency() -> None:
    needed = versions(
        requirements("plots", "tests", "openvino", "scikeras", "browser", "docs"), ">="
    )
    assert constraints("newest.txt").keys() == needed.keys()


@pytest.mark.parametrize("tool", ["codespell", "ruff"])
def test_pre_commit_runs_the_linters_of_the_lint_extra(tool: str) -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    revision = re.search(rf"repo: \S*/{tool}(?:-pre-commit)?\n +rev: v(\S+)", hooks)
    assert revision is not None
    assert f"{tool}=={revision[1]}" in PROJECT["optional-dependencies"]["lint"]


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_this_version_is_cited_and_described(file: str) -> None:
    assert malariafuse.__version__ in (ROOT / file).read_text()
