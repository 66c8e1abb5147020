"""A child process that reads hostile inputs, and what came of each."""

import multiprocessing
import shutil
import tempfile
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

from data_and_words import argument_kind, judge_kinds, run_kinds, table_kinds, training_kinds
from kind import Kind, Read
from pictures_and_networks import adapter_kinds, network_kinds, picture_kinds

LIMIT_S = 10.0
MAX_MESSAGE = 300


def kinds(shop: Path) -> dict[str, Kind]:
    """Every kind of input by the prefix of its files; `shop` is a folder for valid neighbours."""
    return {
        **picture_kinds(shop),
        **adapter_kinds(shop),
        **network_kinds(shop),
        **table_kinds(shop),
        **run_kinds(shop),
        **training_kinds(shop),
        **judge_kinds(shop),
        "args": argument_kind(shop),
    }


def verdict(read: Read, path: Path) -> tuple[str, str]:
    """What came of one input: (accepted | refused | traceback | long, message)."""
    from pixelsmile.errors import PixelSmileError

    try:
        said = read(path)
    except PixelSmileError as error:
        message = str(error)
        return ("long" if len(message) > MAX_MESSAGE or len(message.splitlines()) > 1 else "refused"), message
    except SystemExit as error:  # --help
        return "accepted", str(error.code)
    except BaseException as error:  # whatever it is, it is a defect
        return "traceback", f"{type(error).__name__}: {error}"[:500]
    if not said:
        return "accepted", ""
    lines = said.strip().splitlines()
    long = any(len(line) > MAX_MESSAGE + len("pixelsmile: ") for line in lines)
    errors = [line for line in lines if line.startswith("pixelsmile: ")]
    return ("long" if long or not errors or len(lines) > len(errors) else "refused"), lines[-1]


def serve(pipe: Connection, names: list[str]) -> None:
    """In a child: read what the parent names, one after the other."""
    warnings.simplefilter("ignore")
    shop = Path(tempfile.mkdtemp())
    try:
        known = kinds(shop)
        pipe.send({name: known[name].valid for name in known if not names or name in names})
        while (order := pipe.recv()) is not None:
            name, data = order
            with tempfile.TemporaryDirectory() as folder:
                start = time.process_time()
                path = known[name].place(data, Path(folder)) if isinstance(data, bytes) else data
                found = verdict(known[name].read, path)
                pipe.send((*found, time.process_time() - start))
    finally:
        shutil.rmtree(shop, ignore_errors=True)


class Reader:
    """A child that reads; a new one takes its place where it hangs or dies."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._start()

    def _start(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._child = multiprocessing.get_context("spawn").Process(
            target=serve, args=(other, self._names), daemon=True
        )
        self._child.start()
        other.close()
        self.valid: dict[str, list[bytes]] = self._pipe.recv()

    def read(self, name: str, data: bytes | Path) -> tuple[str, str]:
        """The verdict on one input."""
        self._pipe.send((name, data))
        try:
            if self._pipe.poll(3 * LIMIT_S):  # the limit is on its own time: the machine may be busy
                what, message, seconds = self._pipe.recv()
                return ("hang", f"{seconds:.0f} s") if seconds > LIMIT_S else (what, message)
            what, message = "hang", f"more than {3 * LIMIT_S:.0f} s"
        except EOFError:
            what, message = "crash", f"the process ended with {self._child.exitcode}"
        self._child.kill()
        self._child.join()
        self._start()
        return what, message
