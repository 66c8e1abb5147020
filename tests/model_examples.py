"""What the tests of judges share: small pictures, keys that must never show, waits that a test can bear."""

import hashlib
import io
from collections.abc import Iterator

import numpy as np
from model_server import truth
from PIL import Image

from pixelsmile.judges import (
    Asker,
    GeminiProvider,
    Judgement,
    ModelJudge,
    OpenAIProvider,
    Picture,
    Question,
    RetryPolicy,
    Sample,
    Verdict,
)
from pixelsmile.remote import Limits, Pool

OPENAI_KEY = "sk-a-secret-of-openai-0123456789"
GEMINI_KEY = "AIza-a-secret-of-gemini-0123456789"
HASTE = RetryPolicy(max_requests=12, max_answers=12, base_s=0.01)


def png_of(seed: int) -> bytes:
    """A small picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def picture_of(seed: int) -> Picture:
    return Picture.read(png_of(seed))


def question_of(seed: int) -> Question:
    """The picture alone."""
    return Question.read(png_of(seed), "human")


def samples_of(count: int) -> list[Sample]:
    return [Sample(f"sample {seed}", png_of(seed), "human") for seed in range(count)]


def digest_of(seed: int) -> str:
    """By what the server knows the picture."""
    return hashlib.sha256(picture_of(seed).png(1024)).hexdigest()


def is_true(verdict: Verdict, seed: int) -> bool:
    """Whether the verdict is what the server says about this picture."""
    return (dict(verdict.scores), verdict.dominant) == truth(digest_of(seed))


def openai_provider(url: str, timeout_s: float = 5.0, **settings) -> OpenAIProvider:
    settings = {"key_env": "OPENAI_API_KEY", "limits": Limits(timeout_s=timeout_s), **settings}
    return OpenAIProvider("m", base_url=f"{url}/v1", **settings)


def gemini_provider(url: str, timeout_s: float = 5.0, **settings) -> GeminiProvider:
    settings = {"key_env": "GEMINI_API_KEY", "limits": Limits(timeout_s=timeout_s), **settings}
    return GeminiProvider("m", base_url=url, **settings)


PROVIDERS = {"openai": openai_provider, "gemini": gemini_provider}


def judge_at(
    url: str, kind: str, retry: RetryPolicy = HASTE, timeout_s: float = 5.0, **settings
) -> ModelJudge:
    return ModelJudge(PROVIDERS[kind](url, timeout_s), retry=retry, **settings)


class JudgingRun:
    """An Asker in a Pool, which gives judgements alone; left: the keys of samples."""

    def __init__(self, judge, samples, *, cache=None, max_concurrency: int = 8, **asking) -> None:
        ask = Asker(judge, cache, **asking).ask
        self.pool = Pool(samples, ask, judge.aclose, max_concurrency=max_concurrency)

    def __iter__(self) -> Iterator[Judgement]:
        return (judgement for _, judgement in self.pool)

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(sample.key for sample in self.pool.left)

    @property
    def stopped(self) -> str | None:
        return self.pool.stopped
