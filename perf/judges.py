"""How near to the ideal a run of judgements comes: many requests in flight, a server that takes its time.

    python perf/judges.py [--verdicts 1000] [--max-concurrency 32] [--latency 0.2] [--faults 0.3]

The server stands in tests and has a process of its own; ideal is verdicts / in flight x latency. With
--faults it misbehaves in that share of the requests (429, 500, timeouts, closed connections, broken answers,
refusals). Every verdict is checked against what the server knows to be true. Without faults the same requests
are sent once more by the HTTP client alone, nothing made and nothing read: no judge can be faster. The first
provider meets pictures that are new, the others such as were decoded before.
"""

import argparse
import asyncio
import hashlib
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from counts import real, whole
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from model_examples import PROVIDERS, JudgingRun
from model_server import JudgeServer, at_random, truth

from pixelsmile.judges import (
    Budget,
    Judgement,
    ModelJudge,
    Picture,
    RetryPolicy,
    Sample,
    Verdict,
    VerdictCache,
)
from pixelsmile.remote import Provider

KEY = "a-key-for-nobody"
TIMEOUT_S = 10.0
PATIENCE = RetryPolicy(max_requests=20, max_answers=20, base_s=0.05)


def make_samples(count: int, side_px: int) -> list[Sample]:
    """Smooth pictures, all different."""
    generator = np.random.default_rng(0)
    samples = []
    for number in range(count):
        small = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        file = io.BytesIO()
        small.resize((side_px, side_px), Image.Resampling.BICUBIC).save(file, "PNG", compress_level=1)
        samples.append(Sample(str(number), file.getvalue(), "human"))
    return samples


def serve(pipe: Connection, faults: float, latency_s: float, kind: type[JudgeServer] = JudgeServer) -> None:
    """The other process: it sends its address, and after a message what it has counted."""
    with kind(at_random(faults), latency_s) as server:
        server.keep_requests = False
        pipe.send(server.url)
        while pipe.recv() == "count":
            pipe.send((server.answered, server.met))


def judge(
    provider: Provider, retry: RetryPolicy, max_concurrency: int, samples: list[Sample]
) -> tuple[list[Judgement], float, float, int]:
    """Judge everything with an empty cache: judgements, wall and CPU seconds, requests."""
    budget = Budget()
    with tempfile.TemporaryDirectory() as folder, VerdictCache(Path(folder) / "cache.sqlite") as cache:
        asked = ModelJudge(provider, retry=retry, budget=budget)
        run = JudgingRun(asked, samples, cache=cache, max_concurrency=max_concurrency)
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        judgements = list(run)
        end_s, end_cpu_s = time.perf_counter(), time.process_time()
    return judgements, end_s - start_s, end_cpu_s - start_cpu_s, budget.spending.num_requests


@contextmanager
def recorded() -> Iterator[list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """What the HTTP client is asked to send, as it was asked."""
    import httpx2

    sent: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    stream = httpx2.AsyncClient.stream

    def record(client: httpx2.AsyncClient, *asked: Any, **how: Any) -> Any:
        sent.append((asked, how))
        return stream(client, *asked, **how)

    with patch.object(httpx2.AsyncClient, "stream", record):
        yield sent


async def bare(sent: list[tuple[tuple[Any, ...], dict[str, Any]]], max_concurrency: int) -> None:
    """The same requests, with a client for each that is in flight, as `Connection` has them."""
    import httpx2

    waiting = iter(sent)

    async def send() -> None:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, verify=False) as client:
            for asked, how in waiting:
                async with client.stream(*asked, **how) as response:
                    async for _ in response.aiter_raw():
                        pass

    await asyncio.gather(*(send() for _ in range(max_concurrency)))


def is_right(judgement: Judgement, sample: Sample) -> bool:
    """Whether the verdict is what the server says about that picture."""
    outcome = judgement.outcome
    digest = hashlib.sha256(_picture(sample).png(1024)).hexdigest()
    return isinstance(outcome, Verdict) and (dict(outcome.scores), outcome.dominant) == truth(digest)


def _picture(sample: Sample) -> Picture:
    assert not isinstance(sample.images, Mapping)
    return Picture.read(sample.images)


def measure(name: str, options: argparse.Namespace, samples: list[Sample]) -> None:
    """Print what one provider needs."""
    judge(PROVIDERS[name]("http://localhost:1"), RetryPolicy(1, 1), 1, samples[:1])  # loads httpx2
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there, options.faults, options.latency))
    server.start()
    provider = PROVIDERS[name](here.recv(), TIMEOUT_S)
    with recorded() as sent:
        judgements, wall_s, cpu_s, num_requests = judge(provider, PATIENCE, options.max_concurrency, samples)
    here.send("count")
    answered, met = here.recv()
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    if not options.faults:
        asyncio.run(bare(sent, options.max_concurrency))
    bare_s, bare_cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    here.send("end")
    server.join()
    by_key = {sample.key: sample for sample in samples}
    num_right = sum(is_right(judgement, by_key[judgement.key]) for judgement in judgements)
    ideal_s = options.verdicts / options.max_concurrency * options.latency
    print(
        f"{name:<7} {num_right} of {len(samples)} verdicts right, {answered.total() - len(answered)} paid "
        f"twice, {num_requests} requests; {wall_s:.2f} s, {wall_s / ideal_s:.2f} times the ideal of "
        f"{ideal_s:.2f} s; {1000 * cpu_s / num_requests:.1f} ms of CPU a request"
    )
    if options.faults:
        print(f"        {dict(met.most_common())}")
        return
    print(
        f"        the HTTP client alone: {bare_s:.2f} s, {bare_s / ideal_s:.2f} times the ideal; "
        f"{1000 * bare_cpu_s / len(sent):.1f} ms of CPU a request"
    )


def main() -> None:
    """Print one line for each provider."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verdicts", type=whole(), default=1000)
    parser.add_argument("--max-concurrency", type=whole(), default=32)
    parser.add_argument("--latency", type=real(0.001), default=0.2, help="seconds that the server waits")
    parser.add_argument("--faults", type=real(0.0, 1.0), default=0.0, help="share of the requests")
    parser.add_argument("--side", type=whole(16), default=256, help="pixels")
    parser.add_argument("--providers", nargs="*", default=list(PROVIDERS), choices=list(PROVIDERS))
    options = parser.parse_args()
    os.environ |= {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}
    samples = make_samples(options.verdicts, options.side)
    for name in options.providers:
        measure(name, options, samples)


if __name__ == "__main__":
    main()
