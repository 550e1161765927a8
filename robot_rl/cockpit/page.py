"""The page: NiceGUI lays it out and draws the curves; the live parts are filled in by the scripts beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_rl.cockpit.curves import Curve
from robot_rl.cockpit.hub import Hub

if TYPE_CHECKING:
    from nicegui import ui

STATIC = Path(__file__).parent / "static"
REFRESH_S = 1.0
RUN_CURVES = {
    "episode/success": ("success", "#3fb950"),
    "evaluation/success": ("evaluated", "#4da3ff"),
    "human/intervention_rate": ("human", "#e3a008"),
}
"""What the first chart shows: name of a curve to its label and colour; by episode, as running means."""
NOW_CURVES = {"critic/q": ("Q", "#a78bfa"), "reward/probability": ("P(success)", "#22d3ee")}
"""What the second chart shows: the newest points as they are."""
MUTED, GRID = "#8b96a5", "#232a34"


def add_page(hub: Hub) -> None:
    """Add the page of `hub` to NiceGUI's application."""
    from nicegui import app, ui

    app.add_static_files("/cockpit", str(STATIC), max_cache_age=0)

    @ui.page("/", title=hub.title)
    def cockpit() -> None:
        ui.add_head_html('<link rel="stylesheet" href="/cockpit/cockpit.css">')
        ui.add_head_html('<script type="module" src="/cockpit/live.js"></script>')
        with ui.element("div").classes("cockpit"):
            _live("top.html", title=hub.title)
            with ui.element("main"):
                _live("cameras.html")
                with ui.element("section").classes("curves"):
                    _curves(hub)
            _live("controls.html")


def _live(file: str, **values: str) -> None:
    """Add a part that the scripts fill in; `{name}` in it is replaced."""
    from nicegui import ui

    text = (STATIC / file).read_text()
    for name, value in values.items():
        text = text.replace("{" + name + "}", html.escape(value))
    ui.html(text, sanitize=False).classes("part")


def _curves(hub: Hub) -> None:
    """Add the charts, redrawn each second if there are new points."""
    from nicegui import ui

    with ui.element("div").classes("panel"):
        ui.label("Success and human share, by episode").classes("heading")
        run = ui.echart(_options(0.0, 1.0)).classes("chart").mark("run-chart")
    with ui.element("div").classes("panel"):
        ui.label("Value and reward, now").classes("heading")
        now = ui.echart(_options(None, None)).classes("chart").mark("now-chart")
    with ui.element("div").classes("panel wide"):
        with ui.element("div").classes("heading row"):
            ui.label("Any other curve")
            choice = ui.select([], label="curve").props("dense outlined dark options-dense").classes("choice")
        other = ui.echart(_options(None, None)).classes("chart")
    seen = {"version": -1, "choice": None}

    def refresh() -> None:
        if (seen["version"], seen["choice"]) == (hub.curves.version, choice.value):
            return
        seen["version"], seen["choice"] = hub.curves.version, choice.value
        by_name = hub.curves.by_name
        names = sorted(by_name)
        if names != choice.options:
            choice.set_options(names, value=choice.value or next(iter(names), None))
        _draw(run, [_series(by_name[name].running_mean(), *look) for name, look in RUN_CURVES.items() if name in by_name])
        _draw(now, [_series(list(by_name[name].newest), *look) for name, look in NOW_CURVES.items() if name in by_name])
        chosen = by_name.get(choice.value or "", Curve())
        _draw(other, [_series(chosen.points, choice.value or "", "#e6e9ee")])

    ui.timer(REFRESH_S, refresh)


def _draw(chart: ui.echart, series: list[dict[str, Any]]) -> None:
    chart.options["series"] = series
    chart.update()


def _series(points: Sequence[tuple[float, float]], label: str, color: str) -> dict[str, Any]:
    """Return a line; its times are in minutes."""
    data = [[round(time / 60.0, 4), round(value, 5)] for time, value in points]
    return {"type": "line", "name": label, "data": data, "showSymbol": len(data) < 2, "color": color}


def _options(low: float | None, high: float | None) -> dict[str, Any]:
    minutes = {"color": MUTED, "formatter": "{value} min", "hideOverlap": True, "showMinLabel": False, "showMaxLabel": False}
    line = {"lineStyle": {"color": GRID}}
    axis = {"type": "value", "splitLine": line, "axisLine": line}
    return {
        "animation": False,
        "backgroundColor": "transparent",
        "grid": {"left": 44, "right": 14, "top": 28, "bottom": 24},
        "legend": {"top": 0, "left": 0, "textStyle": {"color": MUTED}, "itemWidth": 14, "itemHeight": 8},
        "tooltip": {"trigger": "axis"},
        "xAxis": {**axis, "splitNumber": 4, "min": "dataMin", "max": "dataMax", "axisLabel": minutes},
        "yAxis": {**axis, "scale": True, "min": low, "max": high, "axisLabel": {"color": MUTED}},
        "series": [],
    }
