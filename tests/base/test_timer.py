"""When states are saved: after some seconds, and when a process is told to stop."""

import signal
import threading

import pytest

from unlearning.base import checkpoint
from unlearning.base.checkpoint import Timer, interruptible


def test_a_save_is_due_some_seconds_after_the_last_one(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    timer, always, found = Timer(30), Timer(0), []
    for now[0] in (100, 129.9, 130, 131, 160.9, 161, 162, 191, 192):
        assert always.due()
        found.append(timer.due())
        for due in [timer] if timer.due() else []:
            with due.saving():
                now[0] += 1
        with always.saving():
            now[0] += 0
    # saved at 130 until 131, at 161 until 162, at 192
    assert found == [False, False, True, False, False, True, False, False, True]
    for seconds in (-1, float("nan"), float("inf"), "5", True):
        with pytest.raises(ValueError, match="save_every: expected a finite number of at least 0"):
            Timer(seconds)


def test_saving_takes_at_most_half_of_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    timer, always = Timer(10), Timer(0)
    for slow in (timer, always):
        with slow.saving():
            now[0] += 50
        assert slow.due() == (slow is always)
    now[0] = 99.9
    assert not timer.due()
    now[0] = 100
    assert timer.due()


@pytest.fixture
def handlers():
    """Handlers that note what reaches them; afterwards pytest's own again."""
    noted = []
    before = {
        number: signal.signal(number, lambda number, _: noted.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield noted
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_flag_and_handlers_come_back(handlers, number):
    with interruptible() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        signal.raise_signal(signal.SIGTERM)
        assert handlers == []
    signal.raise_signal(number)
    assert handlers == [number]
    with interruptible() as stop:
        assert not stop.requested


def test_a_second_ctrl_c_interrupts_at_once_and_handlers_come_back(handlers):
    with pytest.raises(KeyboardInterrupt), interruptible() as stop:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert handlers == [signal.SIGINT]


def test_inner_and_outer_work_see_the_same_flag(handlers):
    with interruptible() as outer:
        with interruptible() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert inner.requested
        assert outer.requested
        signal.raise_signal(signal.SIGTERM)
    assert handlers == []


def test_ignored_signals_stay_ignored(handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop.requested
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_outside_the_main_thread_nothing_changes(handlers):
    found = []

    def work():
        with interruptible() as stop:
            found.append((stop.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, signal.getsignal(signal.SIGINT))]
