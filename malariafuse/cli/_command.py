"""Base of all commands: options, errors and exit codes."""

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from malariafuse.cli._stderr import StandardError

UNEXPECTED, WRONG_INPUT, LEFT_OUT, INTERRUPTED = 1, 2, 3, 130
_SHOWN, _ABOUT = "malariafuse shows", "malariafuse is about"


class InputError(click.ClickException):
    """Error in the input, with a one-line message."""

    exit_code = WRONG_INPUT


class Command(click.Command):
    """Command with ``--quiet`` and ``--debug``, which shows errors as one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                help="Show only errors, without progress, summaries and warnings.",
            ),
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                callback=_remember,
                help="Show the traceback of an error, and log messages of libraries.",
            ),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end it with a message and an exit code on errors."""
        debug = ctx.meta[f"{_SHOWN} debug"]
        if debug:
            StandardError.reveal()
        try:
            with _our_warnings(hide=ctx.meta[f"{_SHOWN} quiet"]), _no_logs(debug):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            code = WRONG_INPUT if _is_about_input(error) else UNEXPECTED
            if debug:
                click.echo(traceback.format_exc(), err=True, nl=False)
            else:
                if code == UNEXPECTED:
                    StandardError.reveal()
                click.echo(f"Error: {describe(error)}", err=True)
            ctx.exit(code)


def _remember(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    ctx.meta[f"{_SHOWN} {option.name}"] = value


def shows_progress() -> bool:
    """Return whether to show progress: on a terminal, without --quiet."""
    return not click.get_current_context().meta[f"{_SHOWN} quiet"] and (
        sys.stderr.isatty()
    )


def say(text: str) -> None:
    """Write a message to standard error, unless --quiet is set."""
    if not click.get_current_context().meta[f"{_SHOWN} quiet"]:
        click.echo(text, err=True)


@contextmanager
def about(thing: str) -> Iterator[None]:
    """Add a subject to the warnings in this block."""
    meta = click.get_current_context().meta
    meta[_ABOUT] = f"{thing}: "
    try:
        yield
    finally:
        del meta[_ABOUT]


def left_out() -> None:
    """Exit with the code of an incomplete result."""
    click.get_current_context().exit(LEFT_OUT)


def describe(error: Exception) -> str:
    """Return an error as one line."""
    words = " ".join(str(error).split())
    if _is_about_input(error):
        return words
    words = words.rstrip(".") or "no message"
    return (
        f"unexpected {type(error).__name__}: {words}. Use --debug to show the "
        "traceback."
    )


def _is_about_input(error: Exception) -> bool:
    """Return whether the message is about the input.

    Messages of this package and of the operating system are.
    """
    if isinstance(error, OSError):
        return True
    if not isinstance(error, ValueError | TypeError | ImportError):
        return False
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return module.partition(".")[0] == __name__.partition(".")[0]


@contextmanager
def _our_warnings(*, hide: bool) -> Iterator[None]:
    """Show user warnings as one line, and hide warnings for developers."""
    shown = set()
    meta = click.get_current_context().meta

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = meta.get(_ABOUT, "") + " ".join(str(message).split())
        if line not in shown:
            shown.add(line)
            click.echo(f"Warning: {line}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not hide:
            warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _no_logs(debug: bool) -> Iterator[None]:
    """Hide log messages of TensorFlow's Python code."""
    before = {}
    for name in () if debug else ("absl", "tensorflow", "jax"):
        logger = logging.getLogger(name)
        before[logger] = logger.level
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)
