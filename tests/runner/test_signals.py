"""Signals to stop: heard once, not within what must be finished, and not where they were ignored."""

import os
import signal

import pytest

from smsroi_helpers.errors import Interrupted
from smsroi_helpers.runner.signals import Signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no signals to send")


@pytest.fixture(autouse=True)
def _heard():
    """Ctrl-C is ignored in what a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number=signal.SIGTERM):
    signal.raise_signal(number)


def test_the_first_signal_stops_and_later_ones_do_not():
    with Signals():
        with pytest.raises(Interrupted, match="stopped by SIGTERM"):
            send()
        send()


def test_nothing_is_interrupted_while_signals_are_deferred():
    done = []
    with Signals() as signals:
        with signals.deferred():
            send()
            done.append("published")
        with pytest.raises(Interrupted, match="SIGINT"):
            send(signal.SIGINT)
    assert done == ["published"]


def test_handlers_are_restored_and_an_ignored_signal_stays_ignored():
    before = signal.getsignal(signal.SIGTERM)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGTERM) is not before
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGHUP, hangup)
