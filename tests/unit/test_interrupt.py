import os
import signal
import threading

import pytest

from robot_rl.training.interrupt import GracefulStop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_is_acknowledged(number, capfd):
    before = signal.getsignal(number)
    with GracefulStop() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert "a second Ctrl-C stops at once" in capfd.readouterr().err
    assert signal.getsignal(number) is before


def test_a_terminal_that_is_gone_does_not_keep_a_run_from_being_saved():
    """Ctrl-C reaches the `tee` behind a run as well."""
    reading, writing = os.pipe()
    os.close(reading)
    before = os.dup(2)
    os.dup2(writing, 2)
    try:
        with GracefulStop() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.requested
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(writing)


def test_the_second_signal_interrupts_as_usual():
    with GracefulStop():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_restored_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), GracefulStop():
        _ = {}["nothing"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_another_thread_can_train_too():
    requested = []

    def work():
        with GracefulStop() as stop:
            requested.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]
