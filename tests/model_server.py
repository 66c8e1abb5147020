"""A server that speaks the protocols of OpenAI and Gemini, and misbehaves as often as it is told to.

What it says about a picture follows from the picture's bytes, and how it misbehaves from these and from how
often it was asked about them: a run meets the same faults in whatever order its requests arrive.
"""

import asyncio
import base64
import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes
from email.utils import formatdate
from random import Random

from PIL import Image, ImageOps

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, TAXONOMY

LABELS = {expression.name: expression.judge_label for expression in TAXONOMY}

# What a request may meet in place of a good answer. Those in ANSWERS come with status 200.
ANSWERS = (
    "broken body",
    "broken answer",
    "wrong keys",
    "missing label",
    "out of range",
    "not a number",
    "strings",
    "prose",
    "refusal",
    "filtered",
    "no choices",
    "empty",
    "cut off",
)
IMAGE_ANSWERS = ("no images", "address", "two pictures", "no picture", "no base64")
FAULTS = (
    "429",
    "429 seconds",
    "429 date",
    "429 info",
    "500",
    "503 page",
    "timeout",
    "closed",
    "half a body",
    *ANSWERS,
)
HANG_S = 60.0

Decide = Callable[[str, int], str | None]
"""A picture's hash and how often it was asked about (from 1): the fault, or None for a good answer."""


def truth(digest: str) -> tuple[dict[str, float], str]:
    """The scores and the dominant expression of the picture with this hash, for all time."""
    generator = Random(digest)
    scores = {name: round(generator.random(), 2) for name in EXPRESSIONS}
    return scores, generator.choice((*EXPRESSIONS, NEUTRAL))


def good_answer(digest: str) -> dict[str, object]:
    """The truth, in the rubric's form."""
    scores, dominant = truth(digest)
    return {
        "scores": {LABELS[name]: score for name, score in scores.items()},
        "dominant": LABELS.get(dominant, "Neutral"),
    }


def at_random(rate: float, faults: tuple[str, ...] = FAULTS) -> Decide:
    """Misbehave in this share of the requests."""

    def decide(digest: str, nth: int) -> str | None:
        generator = Random(f"{digest} {nth}")
        return generator.choice(faults) if generator.random() < rate else None

    return decide


def in_turn(*faults: str | None) -> Decide:
    """The first faults in this order for each picture, then good answers."""
    return lambda digest, nth: faults[nth - 1] if nth <= len(faults) else None


class JudgeServer:
    """Runs in a thread of its own while in its context. Several pictures are known by the hash of all."""

    def __init__(self, decide: Decide | None = None, latency_s: float = 0.0) -> None:
        self.decide = decide or in_turn()
        self.latency_s = latency_s
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()  # good answers that went out whole
        self.met: Counter[str] = Counter()
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.keep_requests = True
        self.most_in_flight = self._in_flight = 0
        self.url = ""

    def __enter__(self) -> "JudgeServer":
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._connections: set[asyncio.Task] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        method, path, _ = head[0].split()
        if method == "GET":
            return await self._get(writer, path, headers)
        body = await reader.readexactly(int(headers["content-length"]))
        protocol = self.protocol(path)
        request = protocol.parse(headers, body)
        digest = hashlib.sha256(protocol.picture(request)).hexdigest()
        self.asked[digest] += 1
        if self.keep_requests:
            self.requests.append(request)
            self.headers.append(headers)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(0 if protocol.is_at_once else self.latency_s)
            fault = self.decide(digest, self.asked[digest])
            self.met[fault or "good"] += 1
            return await self._answer(writer, protocol, digest, fault)
        finally:
            self._in_flight -= 1

    async def _get(self, writer, path: str, headers: dict[str, str]) -> bool:
        raise AssertionError(f"nobody gets {path} from a judge")

    def protocol(self, path: str) -> "Protocol":
        if path.endswith("/images/edits"):
            return Images()
        return self.gemini() if ":generateContent" in path else self.openai()

    async def _answer(self, writer, protocol, digest: str, fault: str | None) -> bool:
        if fault == "timeout":
            await asyncio.sleep(HANG_S)
        if fault in ("timeout", "closed"):
            return False
        is_whole = await self._write(writer, *protocol.answer(digest, fault), fault)
        if fault is None:
            self.answered[digest] += 1
        return is_whole

    async def _write(self, writer, status: int, headers: dict, body: bytes, fault: str | None) -> bool:
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        head = f"HTTP/1.1 {status} x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(head.encode() + b"\r\n" + (body[: len(body) // 2] if fault == "half a body" else body))
        await writer.drain()
        return fault != "half a body"


Say = Callable[[dict, int], tuple[int, dict[str, str], bytes]]
"""A request and how many there have been (from 1): status, headers, body."""


class SayingServer(JudgeServer):
    """Says what a function makes of each request. For one request at a time."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say
        self.num_requests = 0

    async def _answer(self, writer, protocol, digest: str, fault: str | None) -> bool:
        self.num_requests += 1
        status, headers, body = self.say(self.requests[-1], self.num_requests)
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        head = f"HTTP/1.1 {status} x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(head.encode("latin-1") + b"\r\n" + body)
        await writer.drain()
        return True


def completion(content: object, usage: object = None, **message: object) -> tuple[int, dict[str, str], bytes]:
    """A chat completion with that content, for a SayingServer."""
    choice = {"index": 0, "message": {"content": content, **message}, "finish_reason": "stop"}
    return 200, {}, json.dumps({"choices": [choice], "usage": usage or {"total_tokens": 20}}).encode()


def refusal(status: int, message: object, **more: object) -> tuple[int, dict[str, str], bytes]:
    """An error as both protocols write it, for a SayingServer."""
    return status, {}, json.dumps({"error": {"message": message, **more}}).encode()


class Protocol:
    """What the protocols share: errors, and answers that are wrong in themselves."""

    is_at_once = False  # it takes its time later, when it is asked about what it has taken

    def parse(self, headers: dict[str, str], body: bytes) -> dict:
        return json.loads(body)

    def answer(self, digest: str, fault: str | None) -> tuple[int, dict[str, str], bytes]:
        if fault is None or fault == "half a body" or fault in (*ANSWERS, *IMAGE_ANSWERS):
            body = json.dumps(self.body(digest, fault), allow_nan=True).encode()
            return 200, {}, body[:-20] if fault == "broken body" else body
        if fault == "503 page":
            return 503, {"Content-Type": "text/html"}, b"<html>busy</html>"
        status = int(fault.split()[0])
        headers = {
            "429 seconds": {"Retry-After": "0.02"},
            "429 date": {"Retry-After": formatdate(time.time(), usegmt=True)},
        }.get(fault, {})
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.02s"}]
        error = {"code": status, "message": f"fault {status}", "status": "X"}
        return (
            status,
            headers,
            json.dumps({"error": error | ({"details": details} if "info" in fault else {})}).encode(),
        )

    def text(self, digest: str, fault: str | None) -> str:
        answer = good_answer(digest)
        scores = answer["scores"]
        match fault:
            case "broken answer" | "cut off":
                return json.dumps(answer)[:-30]
            case "wrong keys":
                answer["scores"] = {label.lower(): score for label, score in scores.items()}
            case "missing label":
                del scores["Fear"]
            case "out of range":
                scores["Fear"] = 85
            case "not a number":
                scores["Fear"] = float("nan")
            case "strings":
                answer["scores"] = {label: str(score) for label, score in scores.items()}
            case "prose":
                return "The face is rather happy, I would say 0.8."
            case "empty":
                return ""
            case None:  # good, in one of the forms that are accepted
                forms = (
                    "{}",
                    "\n {} \n",
                    "```json\n{}\n```",
                    "Here:\n```\n{}\n```\n",
                    "<think>{{hm}}</think>{}",
                )
                return Random(digest).choice(forms).format(json.dumps(answer))
        return json.dumps(answer)


def _decoded(data: str) -> bytes:
    return base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_" if set(data) & set("-_") else None)


class OpenAI(Protocol):
    def picture(self, request: dict) -> bytes:
        urls = (part["image_url"]["url"] for part in request["messages"][0]["content"] if "image_url" in part)
        return b"".join(base64.b64decode(url.removeprefix("data:image/png;base64,")) for url in urls)

    def body(self, digest: str, fault: str | None) -> object:
        message = {"role": "assistant", "content": self.text(digest, fault), "refusal": None}
        if fault == "refusal":
            message |= {"content": None, "refusal": "I will not judge this picture."}
        reason = {"filtered": "content_filter", "cut off": "length"}.get(fault, "stop")
        choices = [{"index": 0, "message": message, "finish_reason": reason}]
        return {
            "id": "x",
            "object": "chat.completion",
            "model": "m",
            "choices": [] if fault == "no choices" else choices,
            "usage": {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000},
        }


class Gemini(Protocol):
    def picture(self, request: dict) -> bytes:
        parts = request["contents"][0]["parts"]
        return b"".join(_decoded(part["inlineData"]["data"]) for part in parts if "inlineData" in part)

    def body(self, digest: str, fault: str | None) -> object:
        parts = [{"text": "thinking aloud", "thought": True}, {"text": self.text(digest, fault)}]
        reason = {"filtered": "SAFETY", "cut off": "MAX_TOKENS"}.get(fault, "STOP")
        content = {"role": "model", "parts": [] if fault in ("filtered", "empty") else parts}
        body = {
            "candidates": [{"content": content, "finishReason": reason, "index": 0}],
            "usageMetadata": {"promptTokenCount": 900, "candidatesTokenCount": 100, "totalTokenCount": 1000},
        }
        if fault == "refusal":
            body = {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"totalTokenCount": 900},
            }
        if fault == "no choices":
            body["candidates"] = []
        return body


class Images(Protocol):
    """Edits of pictures: a form in, the picture's negative out."""

    def parse(self, headers: dict[str, str], body: bytes) -> dict:
        head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
        fields: dict[str, list] = {}
        for part in message_from_bytes(head + body).get_payload():
            name = part.get_param("name", header="content-disposition")
            fields.setdefault(name, []).append((part.get_content_type(), part.get_payload(decode=True)))
        return fields

    def picture(self, request: dict) -> bytes:
        self.shown = [file for name in ("image", "image[]") for _, file in request.get(name, [])]
        return b"".join(self.shown)

    def body(self, digest: str, fault: str | None) -> object:
        edit = base64.b64encode(negative(self.shown[0])).decode()
        images = {
            "no images": [],
            "address": [{"url": "http://localhost:1/a.png"}],
            "two pictures": [{"b64_json": edit}] * 2,
            "no picture": [{"b64_json": base64.b64encode(b"no picture" * 200).decode()}],
            "no base64": [{"b64_json": "#" + edit}],
        }
        data = images.get(fault, [{"b64_json": edit, "revised_prompt": "Smile!"}])
        return {"created": 1, "data": data, "usage": {"total_tokens": 1000}}


def negative(file: bytes) -> bytes:
    """The picture in other colours, as a PNG file."""
    edited = io.BytesIO()
    with Image.open(io.BytesIO(file)) as picture:
        ImageOps.invert(picture.convert("RGB")).save(edited, "PNG")
    return edited.getvalue()


JudgeServer.openai, JudgeServer.gemini = OpenAI, Gemini  # a subclass may speak otherwise
