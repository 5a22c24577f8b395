"""Metrics: what operations watch, in a registry of our own, counted by small functions. render() prints it.

A label is a word from the code: a route template, a verb, an outcome. Whatever looks like an id or like
text of a user is counted as `other`, and so is every word past the first hundred of a metric.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

OTHER = "other"
_CHILDREN_MAX = 100
_WORD = re.compile(r"[A-Za-z0-9/][A-Za-z0-9_./{}:-]{0,79}")
# Four digits in a row, or a long stretch of hexadecimals, belong to one payment or one person.
_ID = re.compile(r"[0-9]{4}|[0-9a-f]{12}")

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class _Children(Generic[Kind]):
    """The labelled children of a metric, kept because looking one up costs more than counting."""

    def __init__(self, metric: Kind) -> None:
        self._metric: Kind = metric
        self._known: dict[tuple[str, ...], Kind] = {}

    def of(self, *labels: str) -> Kind:
        child = self._known.get(labels)
        if child is None:
            child = self._add(labels)
        return child

    def _add(self, labels: tuple[str, ...]) -> Kind:
        words = tuple(label if _is_word(label) else OTHER for label in labels)
        if words not in self._known and len(self._known) >= _CHILDREN_MAX:
            words = (OTHER,) * len(words)
        if words not in self._known:
            self._known[words] = self._metric.labels(*words)
        if len(self._known) < _CHILDREN_MAX and all(map(_is_word, labels)):
            self._known[labels] = self._known[words]
        return self._known[words]


def _is_word(label: str) -> bool:
    return _WORD.fullmatch(label) is not None and _ID.search(label) is None


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

_http = _Children(
    Histogram(
        "feiqian_http_request_seconds",
        "Time from the first byte of a request to the last of its answer.",
        ("route", "status"),
        buckets=_SECONDS,
        registry=REGISTRY,
    )
)
_payments = _Children(
    Counter(
        "feiqian_payments", "Payment orders that reached an outcome.", ("kind", "outcome"), registry=REGISTRY
    )
)
_batch_size = _Children(
    Histogram(
        "feiqian_batch_size",
        "Requests taken together in one transaction.",
        ("verb",),
        buckets=_SIZES,
        registry=REGISTRY,
    )
)
_batch_seconds = _Children(
    Histogram(
        "feiqian_batch_seconds",
        "Time one batch took, commit included.",
        ("verb",),
        buckets=_SECONDS,
        registry=REGISTRY,
    )
)
_database_away = Counter(
    "feiqian_database_unavailable_seconds",
    "Time spent waiting for a database that was away.",
    registry=REGISTRY,
)
_database_retries = Counter(
    "feiqian_database_retries", "Transactions tried again after the database said so.", registry=REGISTRY
)
_jobs_due = _Children(
    Gauge(
        "feiqian_jobs_due", "Jobs whose time has come and that nobody has taken.", ("job",), registry=REGISTRY
    )
)
_jobs_done = _Children(Counter("feiqian_jobs_done", "Jobs finished.", ("job",), registry=REGISTRY))
_jobs_failed = _Children(
    Counter("feiqian_jobs_failed", "Attempts at a job that failed.", ("job",), registry=REGISTRY)
)


def http_request(route: str, status: int, seconds: float) -> None:
    """One answered request. route: the template, `/v1/payments/{id}`, never the path."""
    _http.of(route, _STATUS_CLASS.get(status // 100, OTHER)).observe(seconds)


def payment(kind: str, outcome: str, count: int = 1) -> None:
    """Payments that reached an outcome. kind: the scene; outcome: `captured`, `declined` and the like."""
    _payments.of(kind, outcome).inc(count)


def batch(verb: str, size: int, seconds: float) -> None:
    """One batch of size requests for one verb."""
    _batch_size.of(verb).observe(size)
    _batch_seconds.of(verb).observe(seconds)


def database_unavailable(seconds: float) -> None:
    """Time spent waiting for the database."""
    _database_away.inc(seconds)


def database_retry(count: int = 1) -> None:
    """Transactions tried again."""
    _database_retries.inc(count)


def jobs_due(job: str, count: int) -> None:
    """How many jobs of this kind are due just now."""
    _jobs_due.of(job).set(count)


def job_done(job: str, count: int = 1) -> None:
    """Jobs of this kind finished."""
    _jobs_done.of(job).inc(count)


def job_failed(job: str, count: int = 1) -> None:
    """Attempts at jobs of this kind that failed."""
    _jobs_failed.of(job).inc(count)


def render() -> bytes:
    """All metrics as Prometheus reads them, to be served as CONTENT_TYPE."""
    return generate_latest(REGISTRY)


_STATUS_CLASS = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
