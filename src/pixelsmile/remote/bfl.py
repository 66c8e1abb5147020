"""Black Forest Labs' API: FLUX.2 and FLUX.1 Kontext.

A JSON record with the pictures in base64 goes to /v1/MODEL; an id and the address come back at which the job
is asked about, at last the signed address of the picture on a delivery host, good for ten minutes. By
docs.bfl.ai (get-result, integration guidelines, models) and the service's own skills (looked up 2026-11-29).
At most 24 jobs may be under way at once.

    jobs = JobLog(folder / "jobs.jsonl")
    provider = BFLImages("flux-2-pro", limits=Limits(price=Decimal("0.045")), jobs=jobs)
"""

import base64
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field, JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.limits import shown, validated
from pixelsmile.remote.answers import Answer
from pixelsmile.remote.connection import Connection, Service
from pixelsmile.remote.jobs import JobLog, JobProvider, JobState
from pixelsmile.remote.provider import Limits, Prompt, RemoteError, Reply, check_not_ours

BFL = Service(
    "https://api.bfl.ai",
    ("BFL_API_KEY",),
    ("x-key", ""),
    hosts=("api.*.bfl.ai",),
    delivery_hosts=("delivery.bfl.ai", "delivery-*.bfl.ai", "delivery.*.bfl.ai"),
)
_OURS = ("prompt", "webhook_url", "webhook_secret")
_DOLLARS = Decimal("0.01")  # a credit
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_RATIO = re.compile(r"\d{1,2}:\d{1,2}")
_PENDING = ("Pending", "Processing", "Queued")


class BFLImages(JobProvider):
    """One model. size: WIDTHxHEIGHT (FLUX.2) or a ratio of sides as 3:4 (Kontext); None is the picture's own.

    settings: further fields of the request, such as `seed`, `safety_tolerance`, `steps`, `guidance`; a null
    takes one out. Unless they say otherwise, pictures come as PNG, and the words go to the model as they are
    (`prompt_upsampling`, which FLUX.2 does unasked, is off).

    RemoteError for a missing key, an address that is none, a size that is none, or settings that would change
    the question.
    """

    name = "bfl"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_env: str | None = None,
        size: str | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
        jobs: JobLog | None = None,
    ) -> None:
        limits = limits or Limits(timeout_s=300.0)
        fixed: dict[str, JsonValue] = {"output_format": "png", "prompt_upsampling": False}
        given = fixed | _sized(size) | dict(settings or {})
        check_not_ours(given, (*_OURS, *(name for name in given if name.startswith("input_image"))))
        connection = Connection(BFL, base_url, key_env, limits.timeout_s, has_pictures=True)
        super().__init__(model, connection, given, limits, jobs)

    def _path(self) -> str:
        return f"v1/{quote(self.model, errors='replace')}"

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        record: dict[str, Any] = {"prompt": prompt.text}
        for number, picture in enumerate(prompt.pictures, 1):
            field = "input_image" if number == 1 else f"input_image_{number}"
            record[field] = base64.b64encode(picture).decode()
        return record | {name: value for name, value in self._settings.items() if value is not None}

    def _state(self, answer: Answer) -> JobState | Reply:
        try:
            job = validated(_Job, answer.value, "the answer")
        except PixelSmileError:
            job = _Job()
        cost = None if job.cost is None else job.cost * _DOLLARS
        detail = one_line(f"{job.status}: {job.details}" if job.details else job.status, 200)
        match job.status:
            case "":
                if not job.polling_url:
                    return Reply("", answer.body, None, "malformed", "the server's answer holds no job")
                return JobState(job.polling_url, "pending", cost=cost, answer=answer)
            case "Ready":
                sample = job.result.sample if job.result else None
                pictures = (sample,) if sample else ()
                return JobState("", "done", pictures=pictures, answer=answer)
            case "Request Moderated":
                return JobState("", "not taken", detail, answer=answer)
            case "Content Moderated":
                return JobState("", "refused", detail, answer=answer)
            case "Task not found":
                return JobState("", "unknown", detail, answer=answer)
            case status if status in _PENDING:
                return JobState("", "pending", answer=answer)
        return JobState("", "failed", detail, answer=answer)


def _sized(size: str | None) -> dict[str, JsonValue]:
    if size is None:
        return {}
    if sides := _SIZE.fullmatch(size):
        return {"width": int(sides[1]), "height": int(sides[2])}
    if _RATIO.fullmatch(size):
        return {"aspect_ratio": size}
    raise RemoteError(f"a size of {shown(size)} is none of BFL's: write 1024x1024, or a ratio as 3:4")


class _Result(BaseModel):
    sample: str | None = None


class _Job(BaseModel):
    """What is needed of the answer to a request and to a question about its job."""

    polling_url: str = ""
    status: str = ""
    result: _Result | None = None
    details: dict[str, JsonValue] | None = None
    cost: Decimal | None = Field(default=None, ge=0, le=100_000)
