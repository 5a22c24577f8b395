"""Ids, the clock and the calendar."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from feiqian.kernel.clock import Calendar, Clock, HandClock
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, new_id, read, show


def test_ids_are_version_7_in_order_and_never_twice() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 10_000
    assert all(UUID(bytes=id.bytes).version == 7 for id in ids[:100])


def test_an_id_of_a_moment_carries_that_moment() -> None:
    at = 1_700_000_000_123
    assert new_id(at).int >> 80 == at


@pytest.mark.parametrize("kind", [bytes, str, UUID])
def test_an_id_is_the_same_from_bytes_text_and_uuid(kind: type) -> None:
    plain = uuid4()
    given = {bytes: plain.bytes, str: plain.hex, UUID: plain}[kind]
    assert as_id(given) == plain
    assert hash(as_id(given)) == hash(plain)


def test_what_is_shown_can_be_read_and_nothing_else() -> None:
    """An id of another kind looks like one that does not exist."""
    id = new_id()
    assert read("pay", show("pay", id)) == id
    for text in (
        show("rfd", id),
        id.hex,
        "pay_",
        show("pay", id).upper(),
        show("pay", id) + "0",
        "",
        "pay_x",
    ):
        with pytest.raises(NotFound):
            read("pay", text)


@pytest.mark.parametrize(
    ("at", "local", "business"),
    [
        (datetime(2026, 11, 2, 14, 59, tzinfo=UTC), date(2026, 11, 2), date(2026, 11, 2)),
        (datetime(2026, 11, 2, 15, 0, tzinfo=UTC), date(2026, 11, 2), date(2026, 11, 3)),  # 23:00 in Xi'an
        (datetime(2026, 11, 2, 16, 0, tzinfo=UTC), date(2026, 11, 3), date(2026, 11, 3)),
        (datetime(2026, 12, 31, 15, 30, tzinfo=UTC), date(2026, 12, 31), date(2027, 1, 1)),
        (datetime(2028, 2, 28, 15, 30, tzinfo=UTC), date(2028, 2, 28), date(2028, 2, 29)),
    ],
)
def test_the_local_day_and_the_business_day_turn_each_at_its_own_time(
    at: datetime, local: date, business: date
) -> None:
    """F8: month end, year end and 29 February included."""
    calendar = Calendar(ZoneInfo("Asia/Shanghai"), time(23))
    assert (calendar.local_day(at), calendar.business_day(at)) == (local, business)
    assert Calendar().business_day(at) == local  # a cut-off of midnight changes nothing


def test_days_follow_summer_time() -> None:
    """F8: zone change; 22:30 UTC is 00:30 in Berlin in summer and 23:30 in winter."""
    berlin = Calendar(ZoneInfo("Europe/Berlin"))
    assert berlin.local_day(datetime(2026, 7, 1, 22, 30, tzinfo=UTC)) == date(2026, 7, 2)
    assert berlin.local_day(datetime(2026, 12, 1, 22, 30, tzinfo=UTC)) == date(2026, 12, 1)


def test_clocks_shift() -> None:
    hand = HandClock(timedelta(hours=1), datetime(2026, 1, 1, tzinfo=UTC))
    assert hand.now() == datetime(2026, 1, 1, 1, tzinfo=UTC)
    ahead = Clock(timedelta(days=1)).now() - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < ahead < timedelta(days=1, minutes=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_draws_other_ids() -> None:
    """Random numbers are drawn a page at a time, and a page must not be used by two."""
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(new_id(1).bytes for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = {id[8:] for id in zip(*[iter(os.read(reader, 1600))] * 16, strict=True)}
    ours = {tuple(new_id(1).bytes[8:]) for _ in range(100)}
    assert len(theirs) == 100
    assert not theirs & ours
