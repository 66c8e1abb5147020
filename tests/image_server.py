"""A server that speaks the protocols of the services that edit pictures, and misbehaves as it is told to.

It edits as JudgeServer does: the negative of the picture that it is shown. What it says is in the form that
the services' own pages and recorded exchanges have (pixelsmile.remote names them).
"""

import asyncio
import base64
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from model_examples import GEMINI_KEY, OPENAI_KEY
from model_server import HANG_S, Decide, Gemini, Images, JudgeServer, Protocol, in_turn, negative

from pixelsmile.remote import (
    ArkImages,
    BFLImages,
    GeminiImages,
    JobLog,
    Limits,
    OpenAIImages,
    Provider,
    ReplicateImages,
)

KEYS = {
    "OPENAI_API_KEY": OPENAI_KEY,
    "GEMINI_API_KEY": GEMINI_KEY,
    "BFL_API_KEY": "bfl-a-secret-of-bfl-0123456789",
    "ARK_API_KEY": "ark-a-secret-of-ark-0123456789",
    "REPLICATE_API_TOKEN": "r8-a-secret-of-replicate-0123456789",
}
PRICE = Decimal("0.04")
# What may come in place of a picture. `withheld`: it was made and is not shown; another may be.
ODD = ("moderated", "withheld", "failed", "nothing", "text")
TRANSPORT = ("429", "429 seconds", "500", "503 page", "closed", "half a body", "broken body")
LATER = ("429", "429 seconds", "500", "503 page", "closed", "half a body", "broken body")


@dataclass
class Job:
    """What was asked for, and when it is ready. end: how it ends, None for well."""

    picture: bytes
    ready_at_s: float
    end: str | None
    number: int = 0
    polls: list[dict[str, str]] = field(default_factory=list)  # headers


class ImageServer(JudgeServer):
    """later: how questions about jobs and downloads are answered, by path and how often it was asked for.

    A job is ready `latency_s` after it was taken. cost: of one, in the credits that BFL tells, None for none.
    """

    def __init__(
        self,
        decide: Decide | None = None,
        latency_s: float = 0.0,
        later: Decide | None = None,
        cost: float | None = None,
    ) -> None:
        super().__init__(decide, latency_s)
        self.later, self.cost = later or in_turn(), cost
        self.jobs: dict[str, Job] = {}
        self.met_later: Counter[str] = Counter()
        self.downloads: list[dict[str, str]] = []  # headers
        self.sample: str | None = None  # an address that is named in place of a picture's own
        self.home: str | None = None  # a server that is named in place of this, to be asked about jobs
        self._gets: Counter[str] = Counter()

    def protocol(self, path: str) -> Protocol:
        if ":generateContent" in path:
            return GeminiDraws()
        if path.endswith("/images/generations"):
            return Ark()
        if path.endswith("/predictions"):
            return Replicate(self)
        return Images() if path.endswith("/images/edits") else BFL(self)

    def take(self, picture: bytes, end: str | None) -> str:
        """A new job; its id."""
        name = f"job-{len(self.jobs)}"
        self.jobs[name] = Job(picture, time.monotonic() + self.latency_s, end)
        return name

    async def _get(self, writer, path: str, headers: dict[str, str]) -> bool:
        self._gets[path] += 1
        fault = self.later(path, self._gets[path])
        self.met_later[fault or "good"] += 1
        if fault == "timeout":
            await asyncio.sleep(HANG_S)
        if fault in ("timeout", "closed"):
            return False
        name = path.rpartition("=" if "=" in path else "/")[2].removesuffix(".png")
        if path.startswith("/files/"):
            self.downloads.append(headers)
            answer = 200, {"Content-Type": "image/png"}, negative(self.jobs[name].picture)
        elif name not in self.jobs:
            answer = 200, {}, json.dumps({"id": name, "status": "Task not found", "result": None}).encode()
        else:
            self.jobs[name].polls.append(headers)
            protocol = Replicate(self) if "/predictions/" in path else BFL(self)
            answer = 200, {}, json.dumps(protocol.state(name)).encode()
        if fault is not None and fault not in ("half a body", "broken body"):
            answer = Protocol().answer("", fault)
        status, lines, body = answer
        return await self._write(writer, status, lines, body[:-20] if fault == "broken body" else body, fault)


class Odd:
    """A protocol whose answers may also be odd."""

    def answer(self, digest: str, fault: str | None) -> tuple[int, dict[str, str], bytes]:
        if fault not in ODD:
            return super().answer(digest, fault)
        status, body = self.odd(fault)
        return status, {}, json.dumps(body).encode()


class GeminiDraws(Odd, Gemini):
    def picture(self, request: dict) -> bytes:
        self.shown = super().picture(request)
        return self.shown

    def body(self, digest: str, fault: str | None) -> object:
        draft, edit = (
            {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(file).decode()}}
            for file in (self.shown, negative(self.shown))
        )  # what it thinks in is not the answer
        return self.saying([{"text": "Hm.", "thought": True}, {**draft, "thought": True}, edit])

    def saying(self, parts: list, reason: str = "STOP") -> dict:
        return {
            "candidates": [
                {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}
            ],
            "usageMetadata": {"promptTokenCount": 271, "candidatesTokenCount": 1120, "totalTokenCount": 1391},
            "modelVersion": "gemini-3-pro-image",
        }

    def odd(self, fault: str) -> tuple[int, object]:
        match fault:
            case "moderated":
                usage = {"promptTokenCount": 271, "totalTokenCount": 271}
                return 200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage}
            case "withheld":
                return 200, self.saying([], "IMAGE_SAFETY")
            case "text":
                return 200, self.saying([{"text": "I cannot edit photographs of people."}])
        return 200, self.saying([], "NO_IMAGE")


class Ark(Odd, Protocol):
    def picture(self, request: dict) -> bytes:
        shown = request["image"] if isinstance(request["image"], list) else [request["image"]]
        files = [base64.b64decode(uri.removeprefix("data:image/png;base64,")) for uri in shown]
        self.shown = files[0]
        return b"".join(files)

    def body(self, digest: str, fault: str | None) -> object:
        edit = base64.b64encode(negative(self.shown)).decode()
        return self.saying({"b64_json": edit, "size": "2048x2048"}, 1)

    def saying(self, image: dict, count: int) -> dict:
        usage = {"generated_images": count, "output_tokens": 16384 * count, "total_tokens": 16384 * count}
        return {"model": "seedream-4-5-251128", "created": 1757323224, "data": [image], "usage": usage}

    def odd(self, fault: str) -> tuple[int, object]:
        def error(code: str, message: str) -> dict:
            return {
                "error": {"code": code, "message": f"{message} Request id: 0217", "param": "", "type": ""}
            }

        match fault:
            case "moderated":
                said = "The request failed because the input image may contain sensitive information."
                return 400, error("InputImageSensitiveContentDetected", said)
            case "withheld":
                said = "The request failed because the output image may contain sensitive information."
                return 200, self.saying(error("OutputImageSensitiveContentDetected", said), 0)
            case "failed":
                return 200, self.saying(error("InternalServiceError", "The service met an error."), 0)
        return 200, {**self.saying({}, 0), "data": []}


class Jobs(Odd, Protocol):
    """Takes what it is asked for; how it ends is said later."""

    is_at_once = True

    def __init__(self, server: ImageServer) -> None:
        self.server = server

    def body(self, digest: str, fault: str | None) -> object:
        return self.taken(self.server.take(self.shown, fault if fault in ODD else None))

    def odd(self, fault: str) -> tuple[int, object]:
        return 200, self.body("", fault)

    def sample(self, name: str) -> str:
        return self.server.sample or f"{self.server.url}/files/{name}.png"


class BFL(Jobs):
    def picture(self, request: dict) -> bytes:
        self.shown = base64.b64decode(request["input_image"])
        return self.shown

    def taken(self, name: str) -> dict:
        address = f"{self.server.home or self.server.url}/v1/get_result?id={name}"
        return {
            "id": name,
            "polling_url": address,
            "cost": self.server.cost,
            "input_mp": 0.1,
            "output_mp": 0.1,
        }

    def state(self, name: str) -> dict:
        job = self.server.jobs[name]
        state = {"id": name, "result": None, "progress": None, "details": None, "preview": None}
        if time.monotonic() < job.ready_at_s:
            return {**state, "status": "Pending", "progress": 0.5}
        details = {"Moderation Reasons": ["Derivative Works Filter"]}
        match job.end:
            case "moderated":
                return {**state, "status": "Request Moderated", "details": details}
            case "withheld":
                return {**state, "status": "Content Moderated", "details": details}
            case "failed":
                return {**state, "status": "Error", "details": {"error": "worker died"}}
            case "nothing":
                return {**state, "status": "Ready", "result": {}}
        return {**state, "status": "Ready", "result": {"sample": self.sample(name), "prompt": "x", "seed": 7}}


class Replicate(Jobs):
    def picture(self, request: dict) -> bytes:
        shown = next(value for name, value in request["input"].items() if "image" in name)
        shown = shown if isinstance(shown, str) else shown[0]
        self.shown = base64.b64decode(shown.removeprefix("data:image/png;base64,"))
        return self.shown

    def taken(self, name: str) -> dict:
        return self.saying(name, "starting")

    def saying(self, name: str, status: str, **more: object) -> dict:
        address = f"{self.server.home or self.server.url}/v1/predictions/{name}"
        urls = {"get": address, "cancel": f"{address}/cancel"}
        job = {"id": name, "model": "bytedance/seededit-3.0", "version": "hidden", "input": {}, "logs": ""}
        return {**job, "output": None, "error": None, "status": status, "urls": urls, **more}

    def state(self, name: str) -> dict:
        job = self.server.jobs[name]
        if time.monotonic() < job.ready_at_s:
            return self.saying(name, "processing")
        match job.end:
            case "moderated" | "withheld":
                said = "The input or output was flagged as sensitive. Please try again (E005)"
                return self.saying(name, "failed", error=said)
            case "failed":
                return self.saying(name, "failed", error="Prediction interrupted; please retry (code: PA)")
            case "nothing":
                return self.saying(name, "succeeded", output=[])
        return self.saying(name, "succeeded", output=self.sample(name))


def provider_at(
    kind: str, url: str, *, jobs: JobLog | None = None, timeout_s: float = 5.0, **settings
) -> Provider:
    """A model of that kind at a server."""
    limits = Limits(timeout_s=timeout_s, price=PRICE, max_output_tokens=0)
    match kind:
        case "openai-images":
            return OpenAIImages(
                "m", base_url=f"{url}/v1", key_env="OPENAI_API_KEY", limits=limits, **settings
            )
        case "gemini-images":
            return GeminiImages("m", base_url=url, key_env="GEMINI_API_KEY", limits=limits, **settings)
        case "ark":
            return ArkImages(
                "seedream-4-5-251128",
                base_url=f"{url}/api/v3",
                key_env="ARK_API_KEY",
                limits=limits,
                **settings,
            )
        case "bfl":
            return BFLImages(
                "flux-2-pro", base_url=url, key_env="BFL_API_KEY", limits=limits, jobs=jobs, **settings
            )
    return ReplicateImages(
        "bytedance/seededit-3.0",
        base_url=f"{url}/v1",
        key_env="REPLICATE_API_TOKEN",
        limits=limits,
        jobs=jobs,
        **settings,
    )
