"""Command that shows the model card."""

import textwrap
from collections.abc import Mapping
from typing import Any

import click

from malariafuse.cli._command import Command, InputError
from malariafuse.cli._models import READY, load_card, model_folder
from malariafuse.cli._output import JSON, echo_json

# Wide enough for the digest of a file.
_WIDTH, _COLUMN = 90, 26


@click.command(cls=Command)
@click.argument("model", default=READY, metavar="[MODEL]")
@JSON
def card(model: str, as_json: bool) -> None:
    """Show the model card: data, metrics, intended use and limitations.

    MODEL is a folder written by train. Without it, the model of the package is used.
    Numbers in parentheses are 95 % confidence intervals over patients.

    \b
    Examples:
      malariafuse card
      malariafuse card our_model --json > card.json
    """
    folder = model_folder(model)
    if folder is not None and folder.is_file():
        raise InputError(f"{model} is a file, not a folder with a model card.")
    found = load_card(model)
    if as_json:
        echo_json(found, indent=1)
        return
    from malariafuse._reports import card_parts

    main, more = card_parts(found)
    click.echo("\n".join(_lines({**main, **more})))


def _lines(entries: Mapping[str, Any], indent: int = 0) -> list[str]:
    """Return lines with names on the left and values on the right."""
    lines = []
    margin = " " * indent
    for name, entry in entries.items():
        if isinstance(entry, Mapping):
            lines += [f"{margin}{name}", *_lines(entry, indent + 2)]
            continue
        items = [f"- {each}" for each in entry] if isinstance(entry, list) else [entry]
        wrapped = [
            line
            for item in items
            for line in textwrap.wrap(
                item,
                _WIDTH - _COLUMN,
                subsequent_indent="  " if isinstance(entry, list) else "",
                break_long_words=False,
            )
        ]
        left = f"{margin}{name}"
        if len(left) >= _COLUMN:
            lines.append(left)
            left = ""
        for line in wrapped or [""]:
            lines.append(f"{left:<{_COLUMN}}{line}".rstrip())
            left = ""
    return lines
