"""What the server counts, for Prometheus: no picture, no word of a request and no address is among it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_PLACES = (
    "/v1/images/edits",
    "/v1/images/sweeps",
    "/v1/faces",
    "/v1/scores",
    "/v1/models",
    "/healthz",
    "/metrics",
)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._answers = Counter(
            "pixelsmile_answers", "Answers, by path and status", ("path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "pixelsmile_answer_seconds", "From a request to the end of its answer", ("path",),
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._pictures = Counter(
            "pixelsmile_pictures", "Pictures that went out, by model", ("model",), registry=self._registry
        )
        self._together = Histogram(
            "pixelsmile_batch_edits", "Edits that went through an engine together",
            buckets=(1, 2, 4, 8, 16), registry=self._registry,
        )  # fmt: skip
        self._left = Counter(
            "pixelsmile_clients_gone", "Requests whose client left before the answer", registry=self._registry
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A gauge that asks for its value whenever somebody looks."""
        Gauge(f"pixelsmile_{name}", what, registry=self._registry).set_function(value)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """An answer went out. A path that is none of ours counts as `other`."""
        place = path if path in _PLACES else "/v1/models" if path.startswith("/v1/models/") else "other"
        self._answers.labels(place, str(status)).inc()
        self._seconds.labels(place).observe(seconds)

    def made(self, model: str, num_pictures: int) -> None:
        self._pictures.labels(model).inc(num_pictures)

    def batched(self, num_edits: int) -> None:
        self._together.observe(num_edits)

    def client_left(self) -> None:
        self._left.inc()

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)
