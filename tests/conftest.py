"""What all tests stand on."""

import signal


def pytest_configure():
    # A job that a shell starts in the background ignores SIGINT, and so do its children; tests of Ctrl-C need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
