"""Manners of all commands: exit codes, warnings, silence, and what is imported."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from malariafuse._parameters import Reals, check_parameter
from malariafuse._warn import warn
from malariafuse.cli._command import Command, about, describe, left_out, say
from malariafuse.cli._main import commands


def made(do):
    return click.command(cls=Command, name="made")(do)


def outcome(do, *arguments):
    result = CliRunner().invoke(made(do), arguments)
    return result.exit_code, result.stdout, result.stderr


def in_process(*arguments, code=None):
    """Run the command line in a process of its own."""
    start = ["-c", code] if code else ["-m", "malariafuse"]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)], capture_output=True, text=True
    )


class TestExitCodes:
    def test_done(self):
        assert outcome(lambda: click.echo("result")) == (0, "result\n", "")

    def test_unexpected(self):
        code, out, error = outcome(lambda: {}["patient"])
        assert (code, out) == (1, "")
        assert error == (
            "Error: unexpected KeyError: 'patient'. "
            "Use --debug to show the traceback.\n"
        )

    def test_an_error_of_another_library_is_unexpected(self):
        code, _, error = outcome(lambda: int("x"))
        # Raised here, which is no module of the package.
        assert code == 1
        assert error.startswith("Error: unexpected ValueError: invalid literal")

    def test_wrong_input_that_the_package_refuses(self):
        def do():
            check_parameter("threshold", 2, [Reals(0, 1)])

        code, _, error = outcome(do)
        assert code == 2
        assert error.startswith("Error: threshold=2: ")
        assert error.count("\n") == 1

    def test_wrong_files(self):
        code, _, error = outcome(lambda: Path("/none/such").read_text())
        assert (code, error.count("\n")) == (2, 1)
        assert "No such file or directory: '/none/such'" in error

    def test_something_left_out(self):
        assert outcome(left_out) == (3, "", "")

    def test_interrupted(self):
        def do():
            raise KeyboardInterrupt

        assert outcome(do) == (130, "", "Interrupted.\n")

    def test_debug_shows_the_traceback(self):
        code, _, error = outcome(lambda: {}["patient"], "--debug")
        assert code == 1
        assert error.startswith("Traceback (most recent call last)")
        assert error.endswith("KeyError: 'patient'\n")

    def test_lines_of_an_error_are_joined(self):
        assert describe(OSError("one\n  two")) == "one two"


class TestWarnings:
    @staticmethod
    def do():
        for _ in range(2):
            warn("Some cells\n  are black.")
        warnings.warn("Old name.", DeprecationWarning, stacklevel=2)
        warnings.warn("0 / 0", RuntimeWarning, stacklevel=2)
        say("2 files.")

    def test_one_line_each(self):
        assert outcome(self.do) == (0, "", "Warning: Some cells are black.\n2 files.\n")

    def test_what_they_are_about(self):
        def do():
            for patient in ("Ada", "Bob"):
                with about(f"patient {patient}"):
                    warn("Black.")
            warn("Black.")

        _, _, shown = outcome(do)
        assert shown.splitlines() == [
            "Warning: patient Ada: Black.",
            "Warning: patient Bob: Black.",
            "Warning: Black.",
        ]

    def test_quiet(self):
        assert outcome(self.do, "--quiet") == (0, "", "")


class TestHelp:
    @pytest.mark.parametrize("name", sorted(commands.commands))
    def test_of_each_command(self, name):
        text = CliRunner().invoke(commands, [name, "-h"]).stdout
        assert f"Examples:\n    malariafuse {name}" in text
        assert "--quiet" in text

    def test_list_of_commands(self):
        text = CliRunner().invoke(commands, ["-h"]).stdout
        assert "..." not in text.partition("Commands:")[2]

    def test_imports_neither_tensorflow_nor_numpy(self):
        code = (
            "import sys\n"
            "from malariafuse.cli import main\n"
            "try:\n"
            "    main()\n"
            "finally:\n"
            "    print({'tensorflow', 'keras', 'numpy', 'cv2'} & set(sys.modules))\n"
        )
        for arguments in (["--help"], ["smear", "--help"], ["--version"]):
            found = in_process(*arguments, code=code)
            assert found.stdout.endswith("\nset()\n"), found.stderr

    def test_completion(self):
        environment = {**os.environ, "_MALARIAFUSE_COMPLETE": "bash_source"}
        code = "from malariafuse.cli import main; main()"
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert "_MALARIAFUSE_COMPLETE=bash_complete" in found.stdout


class TestStandardError:
    @pytest.mark.slow
    def test_nothing_of_tensorflow(self, cells):
        """With the ready model, which computes by TensorFlow."""
        file = next((cells / "Parasitized").iterdir())
        found = in_process("predict", file, "--json", "--quiet")
        assert (found.returncode, found.stderr) == (0, "")
        assert '"decision": ' in found.stdout

    # What libraries in C write, then the error of the command.
    CODE = """
import os, sys
import click
from malariafuse.cli._command import Command
from malariafuse.cli._stderr import StandardError

@click.command(cls=Command)
def do():
    os.write(2, b"I0000 from C\\n")
    click.echo("from Python", err=True)
    {act}
    os.write(2, b"later\\n")

with StandardError.of_process():
    do()
"""

    @pytest.mark.parametrize(
        ("act", "arguments", "shown"),
        [
            ("pass", [], ["from Python"]),
            ("pass", ["--debug"], ["I0000 from C", "from Python", "later"]),
            (
                "raise KeyError",
                [],
                [
                    "from Python",
                    "I0000 from C",
                    "Error: unexpected KeyError: no message.",
                ],
            ),
            ("raise OSError('gone')", [], ["from Python", "Error: gone"]),
        ],
    )
    def test_lines_of_libraries(self, act, arguments, shown):
        found = in_process(*arguments, code=self.CODE.format(act=act))
        lines = found.stderr.splitlines()
        assert len(lines) == len(shown)
        for line, expected in zip(lines, shown, strict=True):
            assert line.startswith(expected)

    @pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
    @pytest.mark.parametrize(
        ("number", "code", "said"),
        [(signal.SIGINT, 130, "Interrupted.\n"), (signal.SIGTERM, 143, "")],
    )
    def test_signals(self, tmp_path, number, code, said):
        """A model is not there, and neither is half of it."""
        source = (
            "import signal, sys, time\n"
            # A shell has its background jobs ignore it.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from malariafuse.cli import _train, main\n"
            "import malariafuse.datasets\n"
            "def wait(*_, **__):\n"
            "    print('training', flush=True)\n"
            "    time.sleep(60)\n"
            "malariafuse.datasets.load_cell_images = wait\n"
            "main()\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", source, "train", tmp_path, "-o", tmp_path / "model"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "training\n"
        time.sleep(0.1)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
        assert (process.returncode, error) == (code, said)
        assert list(tmp_path.iterdir()) == []
