"""MuJoCo behind the same driver protocols, tasks and benchmark suites."""
