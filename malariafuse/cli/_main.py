"""Group of commands and entry point of the process."""

import os
import signal
import sys
from typing import NoReturn

import click

from malariafuse._version import __version__
from malariafuse.cli._card import card
from malariafuse.cli._evaluate import evaluate
from malariafuse.cli._export import export
from malariafuse.cli._predict import predict
from malariafuse.cli._smear import smear
from malariafuse.cli._stderr import StandardError
from malariafuse.cli._train import train

_PROGRAM = "malariafuse"


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="For research. malariafuse is not a diagnostic device.",
)
@click.version_option(__version__, prog_name=_PROGRAM)
def commands() -> None:
    """Find malaria parasites in photographs of Giemsa-stained thin blood smears.

    \b
    Examples:
      malariafuse smear photographs/ada --patient Ada --output ada.html
      malariafuse predict cells --output predictions.csv
      malariafuse train our_cells --output our_model
      malariafuse evaluate our_model other_patients --output report.html
      malariafuse export our_model --output exported
      malariafuse card

    \b
    Exit codes:
      0    done
      1    unexpected error
      2    error in the command or its input
      3    incomplete result, for example because of a damaged file
      130  stopped by Ctrl-C

    Results are written to standard output. Progress, warnings and errors are written to
    standard error.
    """


for command in (predict, smear, train, evaluate, export, card):
    commands.add_command(command)


def main() -> NoReturn:
    """Run the command line, and exit the process."""
    # Libraries read these variables on import. Without the second, TensorFlow is slow
    # on some CPUs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Spinning OpenMP threads make gradient boosting ten times slower if other programs
    # are running.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # No window is opened, because there may be no display.
    os.environ["MPLBACKEND"] = "Agg"
    # As after Ctrl-C, incomplete files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with StandardError.of_process():
        commands(prog_name=_PROGRAM)
    raise SystemExit(0)
