"""Recording from a real browser: driving, labelling and answering at the page, and what then is on the disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="pip install -c constraints.txt -e '.[cockpit]'")
pytest.importorskip("selenium", reason="pip install -c constraints.txt -e '.[dev]'")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("apt-get install -y --no-install-recommends chromium chromium-driver", allow_module_level=True)

from browser_page import Browser
from selenium.webdriver.common.keys import Keys

from robot_rl.data.episodes import list_discarded, load_dataset

ROOT = Path(__file__).parents[2]
OPTIONS = ("--env", "pick_lift", "--cameras", "front", "--teleop", "browser", "--cockpit-port", "0", "--takeover", "toggle",
           "--countdown-s", "0.4", "--episodes", "2", "--failures", "1", "--out", "data")  # fmt: skip


@pytest.fixture
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def recording(tmp_path):
    """The script at work, and the address of its page."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "launch/record_demos.py", *OPTIONS],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.match(r"cockpit: (\S+)", line):
                yield process, found[1]
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.kill()
        process.communicate()


def drive(page):
    """Push forward for a while in the episode that is being recorded."""
    page.sees("#text", "recording")
    page.sees("#phase", "running")
    page.press("w")
    page.sees("#hand", "human acts")
    page.script("return new Promise(resolve => setTimeout(resolve, 500))")
    page.release("w")


def test_three_episodes_are_driven_labelled_and_kept_apart_from_the_page_alone(browser, recording, tmp_path):
    process, url = recording
    page = browser.open(url).live()
    page.click("#take")
    page.sees("#seat", "you drive")

    drive(page)
    page.tap("p")
    page.sees("#phase", "paused: the robot holds")
    page.tap("p")
    page.sees("#phase", "running")
    page.tap(Keys.ENTER)
    page.sees("#text", "success after")
    page.sees("#text", "discard: do it again")
    page.tap(Keys.DELETE)

    for _ in range(2):
        drive(page)
        page.tap(Keys.ENTER)
        page.sees("#text", "success: keep")
        page.tap(Keys.ENTER)

    drive(page)
    page.tap(Keys.BACKSPACE)
    page.sees("#text", "no success after")
    page.tap(Keys.BACKSPACE)

    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "2 of 2 wanted" in err
    episodes, failures = load_dataset(tmp_path / "data"), load_dataset(tmp_path / "data_failures")
    assert ([item.success for item in episodes], [item.success for item in failures]) == ([True, True], [False])
    for item in (*episodes, *failures):
        forward = item.action[item.is_intervention][:, 0]
        assert (abs(forward) > 0.5).sum() >= 3
        assert item.info.extra["teleop"] == "browser"
        assert "image/front" in item.obs
    assert len(list_discarded(tmp_path / "data")) == 1
