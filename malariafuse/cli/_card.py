"""What is known about a model."""

import textwrap
from collections.abc import Mapping
from typing import Any

import click

from malariafuse.cli._command import Command, InputError
from malariafuse.cli._models import READY, load_card, model_folder
from malariafuse.cli._output import JSON, echo_json

# Digests of files fit in a line.
_WIDTH, _COLUMN = 90, 26


@click.command(cls=Command)
@click.argument("model", default=READY, metavar="[MODEL]")
@JSON
def card(model: str, as_json: bool) -> None:
    """Show the model card: data, measures, intended use and limits.

    MODEL is a folder that train wrote. Without it, the card is that of the model that
    comes with malariafuse. Numbers in brackets are 95 % intervals over patients.

    \b
    Examples:
      malariafuse card
      malariafuse card our_model --json > card.json
    """
    folder = model_folder(model)
    if folder is not None and folder.is_file():
        raise InputError(f"{model} is a file, which has no model card.")
    found = load_card(model)
    if as_json:
        echo_json(found, indent=1)
        return
    from malariafuse._reports import card_parts

    main, more = card_parts(found)
    click.echo("\n".join(_lines({**main, **more})))


def _lines(entries: Mapping[str, Any], indent: int = 0) -> list[str]:
    """Return names on the left, and what they stand for on the right."""
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
