"""When a request is made again, and how long to wait before: exponential backoff with full jitter.

Full jitter is Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). Servers name a wait
in Retry-After (RFC 9110, section 10.2.3: seconds or a date), OpenAI also in retry-after-ms, Gemini in a
RetryInfo among the error's details (google/rpc/error_details.proto).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_LONGEST_S = 86_400.0  # who asks for more than a day asks for never
_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS, _FIRST_SERVER_ERROR = 408, 429, 500


@dataclass(frozen=True)
class RetryPolicy:
    """How often one picture is asked about, and how long it waits in between.

    `max_requests` counts everything that was sent; `max_answers` the answers that came but could not be used:
    those are paid for. A server that asks for more than `max_wait_s` stops the run.
    """

    max_requests: int = 8
    max_answers: int = 4
    base_s: float = 1.0
    cap_s: float = 60.0
    max_wait_s: float = 600.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_answers <= self.max_requests:
            raise ValueError(f"1 <= {self.max_answers} answers <= {self.max_requests} requests does not hold")

    def wait_s(self, num_failures: int, generator: Random, server_wait_s: float | None = None) -> float:
        """How long to wait after the `num_failures`-th failure in a row (from 1).

        A server's wish is kept, and up to `base_s` is added so that not everybody is back at once.
        """
        if server_wait_s is not None:
            return server_wait_s + generator.uniform(0, self.base_s)
        return generator.uniform(0, min(self.cap_s, self.base_s * 2.0 ** min(num_failures - 1, 64)))


def is_retried(status: int) -> bool:
    """Whether this HTTP status may pass by itself: a timeout, too many requests, a server's own fault."""
    return status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS) or status >= _FIRST_SERVER_ERROR


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait that a server asks for in its headers, from 0 to a day; None where none is understood.

    `headers` is found in by lower-case names.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, _LONGEST_S)
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _seconds(text)
    seconds = _until(text, now or datetime.now(UTC)) if seconds is None else seconds
    return None if seconds is None else min(seconds, _LONGEST_S)


def retry_info_s(error: object) -> float | None:
    """The wait in the RetryInfo of a Google API error's body; None where there is none."""
    error = error.get("error", error) if isinstance(error, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("@type") == _RETRY_INFO:
            delay = detail.get("retryDelay")
            seconds = _seconds(delay.removesuffix("s")) if isinstance(delay, str) else None
            return None if seconds is None else min(seconds, _LONGEST_S)
    return None


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:  # RFC 5322's -0000: the zone is not known, and HTTP dates are GMT
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # dates that are none find many ways to fail
        return None
