"""A program that is spoken to in lines. Threads do the waiting, so that it can never block its caller."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

from pixelsmile.errors import InputError

_MAX_LINE = 1_000_000  # bytes; what is longer arrives in pieces
_MAX_WAITING = 1000  # lines; then the program waits for its reader
_MAX_LAST_WORDS = 4096  # bytes of its stderr
_LOOK_S = 0.2  # how often to see whether a silent program has ended


class LineProcess:
    """One run of a program. It has its own process group, so that what it started ends with it."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        """Start it, its stderr added to the file `log`. InputError where it cannot be started."""
        self._log = log
        try:
            with log.open("ab") as stderr:
                self._log_start = stderr.tell()  # what stands before is of runs before
                self._process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    start_new_session=True,
                )
        except OSError as error:
            raise InputError(
                f"cannot start {arguments[0]!r} ({error.strerror}): check the command after command:"
            ) from error
        self._outgoing: Queue[bytes | None] = Queue()
        self._incoming: Queue[bytes | None] = Queue(_MAX_WAITING)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more; lines of its may still wait."""
        return self._process.poll() is not None

    def send(self, line: bytes) -> None:
        """Write a line as soon as the program takes it."""
        self._outgoing.put(line + b"\n")

    def receive(self, timeout_s: float) -> bytes | None:
        """The next line; None once the program has ended. TimeoutError after that long without either."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            ended = self.has_ended  # asked before the look: its last lines may still be on the way
            try:
                return self._incoming.get(timeout=min(left, _LOOK_S))
            except Empty:
                if ended:
                    return None
        raise TimeoutError

    def last_words(self) -> str:
        """The last line of its stderr that says anything; empty where none does."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _MAX_LAST_WORDS))
            lines = log.read(_MAX_LAST_WORDS).decode(errors="replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def end(self, patience_s: float = 0.0) -> str:
        """Close its input, wait that long, then kill it and what it started. How it ended, in words."""
        self._outgoing.put(None)
        try:
            self._process.wait(patience_s)
            killed = False
        except subprocess.TimeoutExpired:
            killed = True
        self._kill()
        code = self._process.wait()
        self._let_go()
        if killed:
            return "it was stopped"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _kill(self) -> None:
        """It, and what it started."""
        if sys.platform == "win32":
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):  # all of it has ended
            os.killpg(self._process.pid, signal.SIGKILL)

    def _let_go(self) -> None:
        """Wait for the threads, which close the pipes, unless a descendant outside the group holds those."""
        writer, reader = self._threads
        writer.join(1)
        deadline = time.monotonic() + 1
        while reader.is_alive() and time.monotonic() < deadline:
            with suppress(Empty):  # the reader may wait for room
                self._incoming.get_nowait()
            reader.join(0.01)

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with suppress(OSError), pipe:  # where it has ended, the reader finds out
            while (line := self._outgoing.get()) is not None:
                pipe.write(line)
                pipe.flush()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        with pipe:
            while line := pipe.readline(_MAX_LINE):
                self._incoming.put(line)
        self._incoming.put(None)
