"""Names resolve to code, and a wrong name is answered with what exists."""

from __future__ import annotations

import math

import pytest

from robot_rl.errors import ConfigError
from robot_rl.registry import resolve

TABLE = {"root": "math:sqrt", "deep": "os:path.join", "gone": "no_such_module:x", "bare": "math:no_such_name"}


def test_known_names_resolve():
    assert resolve("root", TABLE, "function") is math.sqrt


def test_import_strings_resolve_without_the_table():
    assert resolve("math:cos", TABLE, "function") is math.cos


def test_dotted_attributes_resolve():
    assert resolve("deep", TABLE, "function")("a", "b") == "a/b"


def test_unknown_name_lists_what_exists_and_guesses():
    with pytest.raises(ConfigError, match=r"unknown function 'roots' \(did you mean 'root'\?\); known: bare, deep, gone, root"):
        resolve("roots", TABLE, "function")


@pytest.mark.parametrize(("name", "cause"), [("gone", "cannot import 'no_such_module'"), ("bare", "no 'no_such_name'")])
def test_broken_targets_say_what_is_missing(name, cause):
    with pytest.raises(ConfigError, match=cause):
        resolve(name, TABLE, "function")
