import io

from PIL import Image
from rich.console import Console

from robot_rl.training.comparison import PolicyResult, comparison_table, plot_comparison

RESULTS = [
    PolicyResult("demonstrator", 45, 50, 58.6),
    PolicyResult("clone", 20, 50, 71.0),
    PolicyResult("agent", 50, 50, 11.2),
    PolicyResult("not run", 0, 0, 0.0),
]


def test_the_table_gives_counts_rates_and_doubt():
    output = io.StringIO()
    Console(file=output, width=120).print(comparison_table(RESULTS, "peg_insert"))
    agent, missing = output.getvalue().splitlines()[-3:-1]
    assert [cell.strip() for cell in agent.split("│")[1:-1]] == ["agent", "50/50", "100%", "93% to 100%", "11.2 steps"]
    assert "0% to 100%" in missing


def test_a_title_is_shown_as_it_is():
    output = io.StringIO()
    Console(file=output, width=120).print(comparison_table(RESULTS, "runs/a[1] [red]b[/x]"))
    assert "runs/a[1] [red]b[/x]" in output.getvalue()


def test_the_picture_is_drawn_also_without_episodes(tmp_path):
    plot_comparison(RESULTS, tmp_path / "a" / "comparison.png", "peg_insert")
    with Image.open(tmp_path / "a" / "comparison.png") as image:
        assert image.format == "PNG"
