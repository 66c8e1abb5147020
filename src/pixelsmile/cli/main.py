"""`pixelsmile COMMAND ...`: finds the command, and turns every refusal into one line and an exit code."""

import codecs
import io
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import FrameType

from pixelsmile.cli.commands import run_command
from pixelsmile.cli.parsing import is_asking
from pixelsmile.errors import InputError, PixelSmileError, one_line
from pixelsmile.version import __version__

_NAMES = "pixelsmile.names"  # how stdout writes what its encoding has no sign for
_ASKS_FOR_VERSION = ("-V", "--version", "version")
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM
_PIPE_CLOSED = 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 2 bad input, 1 other refusals, 130 interrupted.

    A refusal is one line on stderr. Where `--json` is asked for, stdout gets it too, as one object:
    {"error": {"kind": "ExpressionError", "message": "..."}, "exit_code": 2}.
    """
    _prepare()
    words = list(sys.argv[1:] if arguments is None else arguments)
    refuse = partial(_refuse, "--json" in words)
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()
    except PixelSmileError as error:
        return refuse(type(error).__name__, str(error), error.exit_code)
    except KeyboardInterrupt:
        return refuse("KeyboardInterrupt", "interrupted", _INTERRUPTED)
    except BrokenPipeError:  # `pixelsmile ... | head`
        _drop_unwritten()
        return _PIPE_CLOSED
    except OSError as error:  # a full disk behind stdout, a model on a disk that fails
        _drop_unwritten()
        message = one_line(f"the system refuses: {error}; mend that and try again")
        return refuse("OSError", message, InputError.exit_code)


def _refuse(as_json: bool, kind: str, message: str, exit_code: int) -> int:
    """Say on stderr why nothing more is done, and to a program on stdout; the exit code."""
    print(f"pixelsmile: {message}", file=sys.stderr)
    if as_json:
        with suppress(OSError):  # stdout itself may be what the system refuses
            print(json.dumps({"error": {"kind": kind, "message": message}, "exit_code": exit_code}))
        _drop_unwritten()
    return exit_code


def _drop_unwritten() -> None:
    """Forget what stdout does not take: the interpreter would try again at its end, complain and exit 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare() -> None:
    """Streams that take every name of a file, few remarks of libraries, an orderly end."""
    codecs.register_error(_NAMES, _as_bytes)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAMES if stream is sys.__stdout__ else "backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _Remarks(sys.stderr.buffer, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("pixelsmile: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.ERROR)
    logging.getLogger("pixelsmile").setLevel(logging.WARNING)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for the authors of libraries
    signal.signal(signal.SIGTERM, _stop)


def _run(words: list[str]) -> int:
    if is_asking():
        from pixelsmile.cli.completion import typed_words

        words = typed_words()
    if words and words[0] in _ASKS_FOR_VERSION:
        print(f"pixelsmile {__version__}")
        return 0
    return run_command(words)


def _as_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Of a name that is no text, its bytes, so that another program finds the file; else an escape."""
    assert isinstance(error, UnicodeEncodeError)
    error.end = error.start + 1  # an encoding may hand over several signs of different kinds
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


class _Remarks(io.TextIOWrapper):
    """The stderr of this process: what the system does not take there is lost, and the work goes on."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _OneLine(logging.Formatter):
    """A record as the messages of errors are: printable, on one line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = one_line(record.message)
        return super().formatMessage(record)


def _stop(signum: int, frame: FrameType | None) -> None:
    """End through the ordinary way out, so that temporary files go."""
    raise SystemExit(_TERMINATED)
