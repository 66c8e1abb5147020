"""Replicate, for models that are served only there: SeedEdit, ...

A JSON record with the pictures as data URIs goes to /v1/models/OWNER/NAME/predictions; a prediction comes
back, is asked about at its own address until it has ended, and names its pictures on the service's delivery
hosts. By replicate.com/docs (create a prediction, lifecycle) and replicate-python's recorded exchanges
(looked up 2026-11-29). `Prefer: wait`, which holds the first answer back for up to a minute, is not used:
whoever is killed in that minute has paid for a prediction whose id was never heard.

    provider = ReplicateImages("bytedance/seededit-3.0", settings={"guidance_scale": 5.5})
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.limits import shown, validated
from pixelsmile.remote.answers import Answer, is_about_picture
from pixelsmile.remote.connection import Connection, Service
from pixelsmile.remote.jobs import JobLog, JobProvider, JobState
from pixelsmile.remote.provider import Limits, Prompt, RemoteError, Reply, check_not_ours, data_uri

REPLICATE = Service(
    "https://api.replicate.com/v1",
    ("REPLICATE_API_TOKEN",),
    ("Authorization", "Bearer "),
    delivery_hosts=("replicate.delivery", "*.replicate.delivery"),
)
IMAGE_FIELD = "image_field"
_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


class ReplicateImages(JobProvider):
    """One official model, OWNER/NAME. settings: further inputs, each model has its own; a null takes one out.

    Among them `image_field` says where the picture goes (default `image`): `input_image` for FLUX.1 Kontext,
    `image_input[]`, with the brackets of a list, for Seedream and Nano Banana.

    RemoteError for a missing key, an address or a model's name that is none, a size (models name theirs each
    in a way of its own), or settings that would change the question.
    """

    name = "replicate"

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
        if not _NAME.fullmatch(model):
            raise RemoteError(f"{shown(model)} is no model of Replicate's: write it as OWNER/NAME")
        if size is not None:
            raise RemoteError("sizes are each model's own at Replicate: write --extra '{\"size\": ...}'")
        limits = limits or Limits(timeout_s=300.0)
        given: dict[str, JsonValue] = {IMAGE_FIELD: "image", **(settings or {})}
        field = given[IMAGE_FIELD]
        if not isinstance(field, str) or not field.removesuffix("[]"):
            raise RemoteError(f"{IMAGE_FIELD} is {shown(field)}: name the input that takes the picture")
        check_not_ours(given, ("prompt", field.removesuffix("[]")))
        self._field = field
        connection = Connection(REPLICATE, base_url, key_env, limits.timeout_s, has_pictures=True)
        super().__init__(model, connection, given, limits, jobs)

    def _path(self) -> str:
        return f"models/{self.model}/predictions"

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        uris = [data_uri(picture) for picture in prompt.pictures]
        is_list = self._field.endswith("[]") or len(uris) != 1
        given = {name: value for name, value in self._settings.items() if value is not None}
        del given[IMAGE_FIELD]
        shown_as = {self._field.removesuffix("[]"): uris if is_list else uris[0]}
        return {"input": {"prompt": prompt.text, **shown_as, **given}}

    def _state(self, answer: Answer) -> JobState | Reply:
        try:
            job = validated(_Prediction, answer.value, "the answer")
        except PixelSmileError:
            return Reply("", answer.body, None, "malformed", "the server's answer is no prediction")
        address, detail = job.urls.get, one_line(str(job.error or job.status), 200)
        match job.status:
            case "starting" | "processing":
                return JobState(address, "pending", answer=answer)
            case "succeeded":
                output = [job.output] if isinstance(job.output, str) else job.output or []
                return JobState(address, "done", pictures=tuple(output), answer=answer)
        is_refused = is_about_picture(detail)
        return JobState(address, "refused" if is_refused else "failed", detail, answer=answer)


class _URLs(BaseModel):
    get: str


class _Prediction(BaseModel):
    """What is needed of a prediction."""

    status: Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
    urls: _URLs
    output: str | list[str] | None = None
    error: JsonValue = None
