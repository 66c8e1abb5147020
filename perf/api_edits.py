"""Edits by the services of editors/services.py over a bad server: time over the ideal, what is lost and paid.

    python perf/api_edits.py [--edits 1000] [--max-concurrency 32] [--latency 0.5] [--faults 0.3]

The server stands in tests and has a process of its own; it speaks the protocol of each service and misbehaves
in that share of all requests, questions about jobs and downloads too (429 with and without a wait, 500, a
page, hung and closed connections, cut and broken answers, withheld pictures). A first run has money for half
of the edits and must end within it; the second does the rest. Ideal is edits / in flight x latency. Every
picture is checked.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from counts import real, whole
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from image_server import KEYS, PRICE, TRANSPORT, ImageServer
from model_server import at_random

from pixelsmile.editors.editor import EditorStoppedError, Task
from pixelsmile.editors.remote import RemoteEditor, RemoteSettings
from pixelsmile.editors.services import provider_of
from pixelsmile.editors.table import image_services
from pixelsmile.remote import Budget, Pool, RetryPolicy

TIMEOUT_S = 10.0
PATIENCE = RetryPolicy(max_requests=20, max_answers=20, base_s=0.05)
UNHEARD = ("closed", "half a body", "broken body", "timeout")  # nobody knows whether these were paid for
ADDRESSES = {
    "openai-images": ("m@{}/v1", "OPENAI_API_KEY"),
    "gemini-images": ("m@{}", "GEMINI_API_KEY"),
    "bfl": ("m@{}", "BFL_API_KEY"),
    "ark": ("m@{}/api/v3", "ARK_API_KEY"),
    "replicate": ("a/b@{}/v1", "REPLICATE_API_TOKEN"),
}


class Source:
    """A smooth picture that no other number gives."""

    def __init__(self, number: int, side_px: int) -> None:
        small = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        self.image = Image.fromarray(small).resize((side_px, side_px), Image.Resampling.BICUBIC)

    def load(self) -> Image.Image:
        return self.image

    def sha256(self) -> str:
        return ""


def serve(pipe: Connection, faults: tuple[str, ...], rate: float, latency_s: float) -> None:
    """The other process: it sends its address, and after a message what it has counted; None ends it."""
    with ImageServer(at_random(rate, faults), latency_s, at_random(rate, (*TRANSPORT, "timeout"))) as server:
        server.keep_requests = False
        pipe.send(server.url)
        while pipe.recv() is not None:
            pipe.send((server.answered, server.met, server.met_later))


def edit(editor: RemoteEditor, tasks: list[Task], made: dict[str, bool], max_concurrency: int) -> str | None:
    """Have every task edited that `made` lacks, and say there whether the edit is right. Why it stopped."""

    async def one(task: Task) -> bool:
        picture = task.picture.load()
        async for outcome in editor.edit(task, picture, (1.0,), 0):
            return outcome.image is not None and outcome.image.tobytes() == ImageOps.invert(picture).tobytes()
        return False

    left = [task for task in tasks if task.source not in made]
    try:
        for task, is_right in Pool(left, one, editor.close, max_concurrency=max_concurrency):
            made[task.source] = is_right
    except EditorStoppedError as stop:
        return str(stop)
    return None


def measure(kind: str, options: argparse.Namespace) -> None:
    """Print what one service needs."""
    odd = () if kind == "openai-images" else ("withheld",)
    here, there = multiprocessing.Pipe()
    how = (there, (*TRANSPORT, "timeout", *odd), options.faults, options.latency)
    server = multiprocessing.Process(target=serve, args=how)
    server.start()
    named, key_env = ADDRESSES[kind]
    named = named.format(here.recv())
    settings = RemoteSettings(key_env=key_env, timeout_s=TIMEOUT_S, price=PRICE)
    tasks = [
        Task(f"s{number}", "happy", "human", "smile", picture=Source(number, options.side))
        for number in range(options.edits)
    ]
    half = Budget(max_cost=PRICE * (options.edits // 2))
    rest, made, seconds, cpu_s = Budget(), dict[str, bool](), 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number, budget in enumerate((half, rest)):
            editor = RemoteEditor(
                provider_of(kind, named, settings, Path(folder)), Path(folder), budget=budget, retry=PATIENCE
            )
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            edit(editor, tasks, made, options.max_concurrency)
            seconds += time.perf_counter() - start_s
            cpu_s += time.process_time() - start_cpu_s
            if number == 0:
                num_first = len(made)
    here.send("count")
    answered, met, met_later = here.recv()
    here.send(None)
    server.join()
    report(kind, options, made, num_first, seconds, cpu_s, (half, rest), (answered, met, met_later))


def report(
    kind: str,
    options: argparse.Namespace,
    made: dict[str, bool],
    num_first: int,
    seconds: float,
    cpu_s: float,
    budgets: tuple[Budget, Budget],
    counts: tuple[Counter[str], Counter[str], Counter[str]],
) -> None:
    """Three lines: edits and time, money, what was met."""
    answered, met, met_later = counts
    ideal_s = options.edits / options.max_concurrency * options.latency
    hung = met["timeout"] + met_later["timeout"]
    least_s = ideal_s * sum(met.values()) / options.edits + hung * TIMEOUT_S / options.max_concurrency
    spent = [budget.spending.used.cost for budget in budgets]
    paid = ("good", *UNHEARD, *(() if kind == "ark" else ("withheld",)))  # Ark says that nothing was made
    owed = PRICE * sum(met[how] for how in paid)
    num_twice = answered.total() - len(answered)
    print(
        f"{kind:<14} {sum(made.values())} of {options.edits} edits right, {num_twice} paid twice; "
        f"{seconds:.1f} s, {seconds / ideal_s:.2f} times the ideal of {ideal_s:.1f} s, "
        f"{seconds / least_s:.2f} times {least_s:.1f} s for {sum(met.values())} requests, {hung} hung; "
        f"{cpu_s:.1f} s of CPU"
    )
    print(
        f"{'':<14} first run: {num_first} edits for ${spent[0]} of ${PRICE * (options.edits // 2)}; both: "
        f"${sum(spent, Decimal(0))}, by the server's count ${owed}"
    )
    print(f"{'':<14} {dict(met.most_common())}" + (f"; later {dict(met_later)}" if met_later else ""))


def main() -> None:
    """Print what each service needs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=whole(), default=1000)
    parser.add_argument("--max-concurrency", type=whole(), default=32)
    parser.add_argument("--latency", type=real(0.001), default=0.5, help="seconds that an edit takes")
    parser.add_argument("--faults", type=real(0.0, 1.0), default=0.3, help="share of the requests")
    parser.add_argument("--side", type=whole(16), default=128, help="pixels")
    parser.add_argument(
        "--services", nargs="*", default=list(image_services()), choices=list(image_services())
    )
    options = parser.parse_args()
    os.environ |= KEYS
    for kind in options.services:
        measure(kind, options)


if __name__ == "__main__":
    main()
