from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from vidstyle.channel import Channel, ChannelClosed


def in_thread(work: object, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_items_come_in_order_and_the_end_after_them() -> None:
    channel: Channel[int] = Channel(1000)
    for number in range(5):
        channel.put(number, 1)
    channel.end()
    assert list(channel) == [0, 1, 2, 3, 4]


def test_put_waits_for_room_counted_in_bytes() -> None:
    channel: Channel[str] = Channel(100)
    channel.put("large", 90)
    thread = in_thread(channel.put, "too much", 20)
    thread.join(0.1)
    assert thread.is_alive()
    taken = iter(channel)
    assert next(taken) == "large"
    thread.join(5)
    assert not thread.is_alive()
    assert next(taken) == "too much"
    assert channel.waited_to_put >= 0.1


def test_what_was_taken_makes_room() -> None:
    channel: Channel[str] = Channel(100)
    for item in ("first", "second"):
        channel.put(item, 50)
    assert next(iter(channel)) == "first"
    thread = in_thread(channel.put, "third", 50)
    thread.join(5)
    assert not thread.is_alive()


def test_one_item_fits_however_large() -> None:
    channel: Channel[str] = Channel(10)
    channel.put("huge", 10**9)
    assert next(iter(channel)) == "huge"


@pytest.mark.parametrize("end", [Channel.end, Channel.cut])
def test_ending_wakes_a_waiting_taker(end: Callable[[Channel[int]], None]) -> None:
    channel: Channel[int] = Channel(10)
    thread = in_thread(list, channel)
    time.sleep(0.05)
    end(channel)
    thread.join(5)
    assert not thread.is_alive()
    assert channel.waited_to_take > 0


@pytest.mark.parametrize("end", [Channel.end, Channel.cut, Channel.break_off])
def test_ending_wakes_a_waiting_putter(end: Callable[[Channel[int]], None]) -> None:
    channel: Channel[int] = Channel(10)
    channel.put(1, 10)

    def put() -> None:
        with pytest.raises(ChannelClosed):
            channel.put(2, 10)

    thread = in_thread(put)
    time.sleep(0.05)
    end(channel)
    thread.join(5)
    assert not thread.is_alive()


def test_ending_from_outside_stops_the_putter_but_keeps_what_is_inside() -> None:
    channel: Channel[int] = Channel(10)
    channel.put(1, 1)
    channel.end()
    with pytest.raises(ChannelClosed):
        channel.put(2, 1)
    assert list(channel) == [1]


def test_cutting_drops_what_is_inside_and_ends_properly() -> None:
    channel: Channel[int] = Channel(10)
    channel.put(1, 1)
    channel.cut()
    assert list(channel) == []
    with pytest.raises(ChannelClosed):
        channel.put(2, 1)


def test_breaking_drops_everything_on_both_sides() -> None:
    channel: Channel[int] = Channel(10)
    channel.put(1, 1)
    channel.break_off()
    with pytest.raises(ChannelClosed):
        next(iter(channel))
    with pytest.raises(ChannelClosed):
        channel.put(2, 1)
