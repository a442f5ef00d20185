"""Ctrl-C: the first one stops gracefully, the second one ends the program."""

import signal
import threading
from collections.abc import Iterator

import pytest

from train.interrupt import stop_on_interrupt


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    """Start with Python's handler, and restore pytest's."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_is_a_wish_and_the_second_an_exception() -> None:
    """Afterwards the previous handler is restored."""
    wishes: list[int] = []
    with stop_on_interrupt(lambda: wishes.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert wishes == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert wishes == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_goes_with_the_block() -> None:
    """However the block ends, with and without an interrupt."""
    with pytest.raises(ZeroDivisionError), stop_on_interrupt(lambda: None):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_ignored_interrupt_stays_ignored() -> None:
    """As in the background of a script, where Ctrl-C is meant for the foreground command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_on_interrupt(lambda: pytest.fail("nobody wished that")):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_other_threads_cannot_listen() -> None:
    """In worker threads the block runs without a handler."""
    ran: list[object] = []

    def work() -> None:
        with stop_on_interrupt(lambda: None):
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [signal.default_int_handler]
