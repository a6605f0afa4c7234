"""The commands, and the process that runs one of them."""

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
      malariafuse predict cells --output cells.csv
      malariafuse train our_cells --output our_model
      malariafuse evaluate our_model other_patients --output report.html
      malariafuse export our_model --output exported
      malariafuse card

    \b
    Exit codes:
      0    done
      1    something unexpected happened
      2    the command or its input is wrong; the message says how
      3    done, but something was left out, such as a damaged file
      130  stopped by Ctrl-C

    Results go to standard output, and progress, warnings and errors to standard
    error.
    """


for command in (predict, smear, train, evaluate, export, card):
    commands.add_command(command)


def main() -> NoReturn:
    """Run the command line in this process, which ends with it."""
    # Libraries read all of them when they are imported. Without the second, TensorFlow
    # computes slowly on some CPUs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Threads of OpenMP that spin as they wait make gradient boosting ten times as slow
    # where other programs run, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # There may be no window, and none is opened.
    os.environ["MPLBACKEND"] = "Agg"
    # As after Ctrl-C, files that are half written are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with StandardError.of_process():
        commands(prog_name=_PROGRAM)
    raise SystemExit(0)
