"""Metrics: what is counted is printed, and no label ever carries an id or a user's words."""

from __future__ import annotations

import time

import pytest

from feiqian.kernel import metrics


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_is_counted_is_printed() -> None:
    before = value("feiqian_payments_total", kind="parking", outcome="captured")
    metrics.payment("parking", "captured")
    metrics.payment("parking", "captured", 4)
    metrics.http_request("/v1/payments/{id}", 404, 0.004)
    metrics.batch("capture", 37, 0.012)
    metrics.database_unavailable(1.5)
    metrics.database_retry()
    metrics.jobs_due("webhook.deliver", 7)
    metrics.job_done("webhook.deliver")
    metrics.job_failed("webhook.deliver")
    assert value("feiqian_payments_total", kind="parking", outcome="captured") == before + 5
    assert value("feiqian_http_request_seconds_count", route="/v1/payments/{id}", status="4xx") >= 1
    assert value("feiqian_batch_size_sum", verb="capture") >= 37
    assert value("feiqian_batch_seconds_count", verb="capture") >= 1
    assert value("feiqian_database_unavailable_seconds_total") >= 1.5
    assert value("feiqian_database_retries_total") >= 1
    assert value("feiqian_jobs_due", job="webhook.deliver") == 7
    printed = metrics.render().decode()
    assert 'feiqian_payments_total{kind="parking",outcome="captured"}' in printed
    assert 'feiqian_jobs_failed_total{job="webhook.deliver"}' in printed
    assert metrics.CONTENT_TYPE.startswith("text/plain")


@pytest.mark.parametrize(
    "text",
    [
        "pay_01932c5e8f4a7b3c9d2e1f0a5b6c7d8e",
        "/v1/payments/01932c5e8f4a7b3c9d2e1f0a5b6c7d8e",
        "/v1/orders/20261102",
        "13800138000",
        "张三丰",
        "Alice Chen",
        'x"} 1\nforged 1',
        "x" * 81,
        "",
    ],
)
def test_no_label_carries_an_id_or_a_users_words(text: str) -> None:
    metrics.http_request(text, 200, 0.1)
    metrics.payment(text, text)
    metrics.job_done(text)
    printed = metrics.render().decode()
    assert f'"{text}"' not in printed
    assert "forged" not in printed
    assert value("feiqian_payments_total", kind="other", outcome="other") >= 1


def test_an_odd_status_is_other() -> None:
    metrics.http_request("/odd", 999, 0.1)
    assert value("feiqian_http_request_seconds_count", route="/odd", status="other") == 1


def test_a_metric_has_no_end_of_children() -> None:
    letters = [chr(97 + at // 26) + chr(97 + at % 26) for at in range(300)]
    for word in letters:
        metrics.payment("flood", word)
        metrics.payment("flood", word)
    printed = metrics.render().decode().split("\n")
    assert sum(line.startswith("feiqian_payments_total{") for line in printed) <= 101
    assert value("feiqian_payments_total", kind="other", outcome="other") >= 200
    metrics.payment("parking", "captured")  # those known before still count under their own name
    assert sum(value("feiqian_payments_total", kind="flood", outcome=word) == 2 for word in letters) > 50


def test_counting_is_cheap() -> None:
    """A few microseconds at most, even on a busy machine: it stands on every request's way."""
    started = time.perf_counter()
    for _ in range(10_000):
        metrics.payment("parking", "captured")
    assert (time.perf_counter() - started) / 10_000 < 50e-6
