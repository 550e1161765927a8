from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements):
    return {canonical(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


REQUIRED = names(PROJECT["project"]["dependencies"])
OPTIONAL = set().union(*(names(extra) for extra in PROJECT["project"]["optional-dependencies"].values()))


def imported(tree, *, only_at_import):
    """Return the top-level modules that a file imports: all, or those that importing it imports."""
    nodes = tree.body if only_at_import else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("only_at_import", [True, False])
def test_what_is_imported_is_declared(only_at_import):
    distributions = metadata.packages_distributions()
    declared = REQUIRED if only_at_import else REQUIRED | OPTIONAL
    known = {*sys.stdlib_module_names, *PACKAGES}
    undeclared = {}
    for file in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for module in imported(ast.parse(file.read_text()), only_at_import=only_at_import):
            providers = {canonical(name) for name in distributions.get(module, [module])}
            if module not in known and not providers & declared:
                undeclared.setdefault(module, str(file.relative_to(ROOT)))
    assert not undeclared


def test_every_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonical(line.partition("==")[0]) for line in lines if "==" in line and not line.startswith("#")}
    extras = PROJECT["project"]["optional-dependencies"]
    chosen = ("cockpit", "dev", "dmc", "formats", "gymnasium-robotics", "servo", "teleop", "vision")
    installed_by_make = REQUIRED | set().union(*(names(extras[name]) for name in chosen))
    assert installed_by_make <= pinned


def test_pages_link_to_what_exists():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken
