"""What `pixelsmile serve` does under load, when it is stopped in the middle, and over many edits.

    python perf/serve.py load  [--seconds 120] [--clients 64]    # mixed sizes, and garbage
    python perf/serve.py stop  [--clients 64]                    # SIGTERM while all of them ask
    python perf/serve.py leaks [--edits 2000]                    # memory, one edit after the other

Each starts a server of its own with the geometric model and prints one JSON object; the exit code is 1 where
what must hold does not: no answer to a picture but 200 and 429, to garbage but 4xx; no client without an
answer; memory that stays. The memory is the server's, resident, in MB.
"""

import argparse
import asyncio
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

import httpx2
from counts import real, whole
from PIL import Image

PHOTO = Path(__file__).parent.parent / "docs" / "astronaut.jpg"
SIDES_PX = (200, 300, 450, 700)
FLAT_SHARE = 0.1  # memory may end this much above the middle of the run
LEAK_KB = 20.0  # an edit: a picture of 300 px has 270 KB
_BLOCK = 10  # edits
_WARM_UP = 0.3  # of a run, before memory counts
# glibc keeps freed memory for later, and more of it with every size and thread that it meets: a few MB over
# the first hundreds of edits, which looks like a leak and ends. With these it gives back what is freed, so
# that what grows is what nobody frees.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
PATH = "/v1/images/edits"

Asked = dict[str, Any]  # what httpx posts


@dataclass
class Seen:
    """What clients saw: counts of kind and status, and seconds to each answer 200."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    without_answer: Counter[str] = field(default_factory=Counter)


@contextmanager
def running(
    *options: str, settings: Mapping[str, str] | None = None
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server in a process of its own, and its address. settings: more of its environment."""
    command = [sys.executable, "-m", "pixelsmile", "serve", "--model", "geometric", "--port", "0", *options]
    environment = {**os.environ, **(settings or {})}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"at (http://\S+)", line):
                yield process, found[1]
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait(60)


def photograph(side_px: int, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.open(PHOTO).resize((side_px, side_px), Image.Resampling.LANCZOS).save(buffer, form)
    return buffer.getvalue()


def garbage(rng: random.Random) -> list[Asked]:
    """Requests that nobody should send."""
    whole = photograph(300, "JPEG")
    grey = io.BytesIO()
    Image.new("RGB", (300, 300), "grey").save(grey, "PNG")
    return [
        {"files": {"image": rng.randbytes(20_000)}, "data": {"prompt": "smile"}},
        {"files": {"image": whole[: len(whole) // 2]}, "data": {"prompt": "smile"}},
        {"files": {"image": b""}, "data": {"prompt": "smile"}},
        {"files": {"image": grey.getvalue()}, "data": {"prompt": "smile"}},
        {"files": {"image": rng.randbytes(9 * 2**20)}, "data": {"prompt": "smile"}},
        {"files": {"image": whole}, "data": {"prompt": "smile", "strength": "nan"}},
        {"files": {"image": whole}, "data": {"prompt": "happy but not sad"}},
        {"files": {"mask": whole}, "data": {"prompt": "smile"}},
        {"content": rng.randbytes(500), "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"{}", "headers": {"Content-Type": "application/json"}},
    ]


def pictures(photographs: list[bytes]) -> list[Asked]:
    return [
        {"files": {"image": photograph}, "data": {"expression": expression}}
        for photograph in photographs
        for expression in ("happy", "sad", "surprised", "angry")
    ]


@dataclass(frozen=True)
class Crowd:
    """What clients ask for, over one pool of connections; one request in four is garbage."""

    http: httpx2.AsyncClient
    seen: Seen
    wanted: list[Asked]
    garbage: list[Asked]
    ends_at: float

    async def client(self, number: int) -> None:
        """Ask, wait as long as the server says, ask again."""
        rng, seen = random.Random(number), self.seen
        while time.monotonic() < self.ends_at:
            kind = "garbage" if rng.random() < 0.25 else "picture"
            began = time.monotonic()
            try:
                answer = await self.http.post(
                    PATH, **rng.choice(self.garbage if kind == "garbage" else self.wanted)
                )
            except httpx2.ConnectError:  # the server is gone, and says so
                seen.answers["no server"] += 1
                return
            except httpx2.HTTPError as error:
                seen.without_answer[type(error).__name__] += 1
                continue
            seen.answers[f"{kind} {answer.status_code}"] += 1
            if answer.status_code == 200:
                seen.seconds.append(time.monotonic() - began)
            elif answer.status_code == 503:
                return
            elif answer.status_code == 429:
                await asyncio.sleep(float(answer.headers["retry-after"]) * rng.uniform(0.5, 1.0))


def clients_of(url: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx2.AsyncClient(base_url=url, timeout=300, limits=limits, verify=False, trust_env=False)


async def watched(process: "subprocess.Popen[str]", every_s: float) -> AsyncIterator[float]:
    while process.poll() is None:
        yield resident_mb(process.pid)
        await asyncio.sleep(every_s)


def resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


async def load(options: argparse.Namespace) -> bool:
    seen, memory = Seen(), []
    photographs = [photograph(side, form) for side in SIDES_PX for form in ("JPEG", "PNG", "WEBP")]
    with running("--max-size", "8") as (process, url):
        drained = asyncio.create_task(_drain(process))
        wanted, nobodys = pictures(photographs), garbage(random.Random(0))
        async with clients_of(url) as http:
            await http.post(PATH, **wanted[0])  # which loads the model
            ends_at = time.monotonic() + options.seconds
            crowd = Crowd(http, seen, wanted, nobodys, ends_at)
            clients = [asyncio.create_task(crowd.client(number)) for number in range(options.clients)]
            async for mb in watched(process, max(0.2, options.seconds / 60)):
                memory.append(mb)
                if time.monotonic() > ends_at:
                    break
            await asyncio.gather(*clients)
        drained.cancel()
    settled = memory[int(len(memory) * _WARM_UP) :]
    halves = [median(settled[: len(settled) // 2]), median(settled[len(settled) // 2 :])]
    unexpected = {
        name: count for name, count in seen.answers.items() if not _is_expected(*name.rsplit(" ", 1))
    }
    flat = halves[1] <= halves[0] * (1 + FLAT_SHARE)
    cuts = quantiles(seen.seconds, n=20) if len(seen.seconds) > 1 else [0.0] * 19
    _print(
        clients=options.clients,
        seconds=options.seconds,
        answers=dict(sorted(seen.answers.items())),
        unexpected=unexpected,
        without_answer=dict(seen.without_answer),
        edits_a_second=round(len(seen.seconds) / options.seconds, 2),
        p50_s=round(cuts[9], 2),
        p95_s=round(cuts[18], 2),
        memory_mb=[round(mb) for mb in (memory[0], *halves, max(memory))],
        memory_is_flat=flat,
    )
    return not unexpected and not seen.without_answer and flat


def _is_expected(kind: str, status: str) -> bool:
    if kind == "garbage":
        return status.startswith("4")
    return kind == "picture" and status in ("200", "429")


async def stop(options: argparse.Namespace) -> bool:
    """SIGTERM while everybody asks: each client is answered, or finds nobody at the door."""
    seen = Seen()
    with running() as (process, url):
        drained = asyncio.create_task(_drain(process))
        wanted, nobodys = pictures([photograph(300, "JPEG")]), garbage(random.Random(0))
        async with clients_of(url) as http:
            crowd = Crowd(http, seen, wanted, nobodys, time.monotonic() + 600)
            clients = [asyncio.create_task(crowd.client(number)) for number in range(options.clients)]
            while len(seen.seconds) < 3:
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            await asyncio.gather(*clients)
        code = await asyncio.to_thread(process.wait, 60)
        drained.cancel()
    _print(
        clients=options.clients,
        answers=dict(sorted(seen.answers.items())),
        without_answer=dict(seen.without_answer),
        seconds_to_the_end=round(time.monotonic() - began, 1),
        exit_code=code,
    )
    return not seen.without_answer and code == 0


async def leaks(options: argparse.Namespace) -> bool:
    """Edits of pictures that all differ, so that nothing remembered helps; memory against their number."""
    rng, memory = random.Random(0), []
    settings = {} if options.keep_freed else _GIVE_BACK
    with running(settings=settings) as (process, url):
        drained = asyncio.create_task(_drain(process))
        async with clients_of(url) as http:
            for _ in range(options.edits):
                image = photograph(rng.randrange(260, 340), rng.choice(["JPEG", "PNG"]))
                what: dict[str, Any] = {"files": {"image": image}, "data": {"expression": "happy"}}
                answer = await http.post(PATH, **what)
                assert answer.status_code == 200, answer.text
                memory.append(resident_mb(process.pid))
        drained.cancel()
    kb_an_edit, error = growth(memory[int(options.edits * _WARM_UP) :])
    leaks = is_leaking(kb_an_edit, error)
    _print(
        edits=options.edits,
        freed_memory="kept" if options.keep_freed else "given back",
        memory_mb=[round(memory[int(part * (len(memory) - 1) / 8)], 1) for part in range(9)],
        kb_an_edit=round(kb_an_edit, 2),
        standard_error=round(error, 2) if isfinite(error) else None,
        leaks="too few edits to tell" if leaks is None else leaks,
    )
    return leaks is False


def growth(memory_mb: Sequence[float]) -> tuple[float, float]:
    """KB an edit by least squares, and its standard error, of the memory after each edit.

    Of means of _BLOCK edits: how much is in use just then differs with the picture, for some edits in a row.
    """
    blocks = [mean(memory_mb[first : first + _BLOCK]) for first in range(0, len(memory_mb), _BLOCK)]
    if len(blocks) < 3:
        return 0.0, inf
    x = [number - (len(blocks) - 1) / 2 for number in range(len(blocks))]
    spread, middle = sum(value * value for value in x), mean(blocks)
    slope = sum(a * b for a, b in zip(x, blocks, strict=True)) / spread
    rest = sum((b - middle - slope * a) ** 2 for a, b in zip(x, blocks, strict=True))
    error = sqrt(rest / (len(blocks) - 2) / spread)
    return slope / _BLOCK * 1024, error / _BLOCK * 1024


def is_leaking(kb_an_edit: float, error: float) -> bool | None:
    """Whether memory grows by more than LEAK_KB an edit; None where the edits are too few to tell."""
    if kb_an_edit - 2 * error > LEAK_KB:
        return True
    return False if kb_an_edit + 2 * error <= LEAK_KB else None


async def _drain(process: "subprocess.Popen[str]") -> None:
    """Read the server's log away, so that it never waits for a reader."""
    assert process.stderr is not None
    while await asyncio.to_thread(process.stderr.readline):
        pass


def _print(**record: Any) -> None:
    print(json.dumps(record), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["load", "stop", "leaks"])
    parser.add_argument("--seconds", type=real(1.0), default=120.0)
    parser.add_argument("--clients", type=whole(), default=64)
    parser.add_argument("--edits", type=whole(), default=2000)
    parser.add_argument("--keep-freed", action="store_true", help="leaks: with the allocator as it is")
    options = parser.parse_args()
    return 0 if asyncio.run({"load": load, "stop": stop, "leaks": leaks}[options.what](options)) else 1


if __name__ == "__main__":
    sys.exit(main())
