"""Ctrl-C: the first one is a wish, the second one ends the program."""

import signal
import threading
from collections.abc import Iterator

import pytest

from train.interrupt import stop_on_interrupt


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    """Begin with Python's own handler, and leave pytest with the one that it had."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_is_a_wish_and_the_second_an_exception() -> None:
    """Afterwards everything is as it was."""
    wishes: list[int] = []
    with stop_on_interrupt(lambda: wishes.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert wishes == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert wishes == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_goes_with_the_block() -> None:
    """However it ends, with and without an interrupt."""
    with pytest.raises(ZeroDivisionError), stop_on_interrupt(lambda: None):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_ignored_interrupt_stays_ignored() -> None:
    """As in the background of a script, where Ctrl-C means the command in front."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_on_interrupt(lambda: pytest.fail("nobody wished that")):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_other_threads_cannot_listen() -> None:
    """Where many models are trained in threads, the block runs as if nothing were around it."""
    ran: list[object] = []

    def work() -> None:
        with stop_on_interrupt(lambda: None):
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [signal.default_int_handler]
