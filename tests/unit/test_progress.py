import io

import pytest
from rich.console import Console

from robot_rl.training.progress import LINE_EVERY_S, ProgressDisplay, Status, format_duration


class FakeClock:
    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def output():
    return io.StringIO()


@pytest.fixture
def display(clock, output):
    console = Console(file=output, force_terminal=False, width=200)
    return ProgressDisplay("peg_insert", 1000, console=console, clock=clock)


def test_unknown_values_are_left_out_not_shown_as_zero(display):
    display.update(Status(0))
    assert display.fields.keys() == {"phase", "steps"}


def test_rates_and_time_left_come_from_what_moved(display, clock):
    display.update(Status(100, updates=200))
    clock.time += 10.0
    display.update(Status(200, updates=400))
    assert display.fields["updates/s"] == "20"
    assert display.fields["time left"] == "1:20"


def test_rates_forget_what_is_long_ago(display, clock):
    display.update(Status(0, updates=0))
    for _ in range(10):
        clock.time += 10.0
        display.update(Status(100, updates=0))
    for step in range(1, 6):
        clock.time += 10.0
        display.update(Status(100 + step, updates=1000 * step))
    assert display.fields["updates/s"] == "100"


def test_a_resumed_count_that_falls_gives_no_negative_rate(display, clock):
    display.update(Status(500, updates=500))
    clock.time += 1.0
    display.update(Status(100, updates=100))
    assert "time left" not in display.fields


def test_a_log_file_gets_a_line_now_and_then(display, clock, output):
    with display:
        for _ in range(100):
            display.update(Status(10))
            clock.time += LINE_EVERY_S / 10
    lines = output.getvalue().splitlines()
    assert len(lines) == 10 + 1  # every tenth update, and the end
    assert all(line.startswith("peg_insert: ") for line in lines)


def test_a_log_file_gets_no_line_twice(display, output):
    with display:
        display.update(Status(10, phase="training"))
        display.update(Status(20, phase="final evaluation"))
    phases = [line.split(",")[0] for line in output.getvalue().splitlines()]
    assert phases == ["peg_insert: phase training", "peg_insert: phase final evaluation"]


def test_a_log_file_gets_every_evaluation_at_once(display, output):
    display.update(Status(10))
    display.update(Status(11, evaluation=(7, 20), recent_success=0.45, intervention_rate=0.25))
    last = output.getvalue().splitlines()[-1]
    assert "last evaluation 7/20" in last
    assert "success of the last 20 episodes 45%" in last
    assert "intervention rate 25%" in last


def test_a_terminal_shows_a_panel_that_is_closed_on_errors(clock, output):
    console = Console(file=output, force_terminal=True, width=80, height=20)
    display = ProgressDisplay("peg_insert: runs/[red]1", 1000, console=console, clock=clock)

    def fail():
        with display:
            display.update(Status(250, evaluation=(3, 20)))
            display.note("a line that stays [/x]")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    text = output.getvalue()
    assert "250/1000" in text
    assert "3/20" in text
    assert "a line that stays [/x]" in text
    assert "runs/[red]1" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor was hidden and is back


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3600 + 61, "1:01:01"), (-5, "0:00")])
def test_durations_read_like_a_clock(seconds, text):
    assert format_duration(seconds) == text
