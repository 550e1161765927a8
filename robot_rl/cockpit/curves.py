"""Points of curves as they come, thinned out so that hours of them still fit on a page."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

MAX_POINTS = 400
"""points kept of a curve; beyond, each two neighbours become one"""
MAX_CURVES = 200
WINDOW = 10
"""points a running mean is taken over: episodes, for what is counted by episode"""
MAX_NEWEST = 300
"""points of a strip"""


class Curve:
    """A curve over all of the run, and a strip of its newest points. Times in s."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        """(time, value), each the mean of `stride` points."""
        self.newest: deque[tuple[float, float]] = deque(maxlen=MAX_NEWEST)
        self.stride = 1
        self._pending: list[tuple[float, float]] = []

    def add(self, time: float, value: float) -> None:
        """Append a point."""
        self.newest.append((time, value))
        self._pending.append((time, value))
        if len(self._pending) == self.stride:
            self.points.append(_mean(self._pending))
            self._pending = []
            if len(self.points) == MAX_POINTS:
                self.points = [_mean(self.points[i : i + 2]) for i in range(0, MAX_POINTS, 2)]
                self.stride *= 2

    def running_mean(self) -> list[tuple[float, float]]:
        """Return each point's time with the mean of it and those before it, `WINDOW` together."""
        values = [value for _, value in self.points]
        window = max(1, WINDOW // self.stride)
        starts = (max(0, index + 1 - window) for index in range(len(values)))
        return [
            (time, sum(values[start : index + 1]) / (index + 1 - start))
            for index, ((time, _), start) in enumerate(zip(self.points, starts, strict=True))
        ]


class Curves:
    """All curves by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Curve] = {}
        self.version = 0
        """Grows with each point."""

    def add(self, time: float, points: Mapping[str, float | None]) -> None:
        """Append points of several curves; those that are no number are left out, and so are more than `MAX_CURVES`."""
        for name, value in points.items():
            if value is not None and (name in self.by_name or len(self.by_name) < MAX_CURVES):
                self.by_name.setdefault(name, Curve()).add(time, value)
        self.version += 1

    def last(self, name: str) -> float | None:
        """Return the newest value of a curve, or None."""
        curve = self.by_name.get(name)
        return curve.newest[-1][1] if curve and curve.newest else None


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(time for time, _ in points) / len(points), sum(value for _, value in points) / len(points)
