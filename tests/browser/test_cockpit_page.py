"""The cockpit in a real browser: what a person sees there is so, and what a person does there happens."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

pytest.importorskip("nicegui", reason="pip install -c constraints.txt -e '.[cockpit]'")
pytest.importorskip("selenium", reason="pip install -c constraints.txt -e '.[dev]'")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("apt-get install -y --no-install-recommends chromium chromium-driver", allow_module_level=True)

from browser_page import Browser, until
from robot_at_work import RobotAtWork
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from robot_rl.cockpit import Cockpit, CockpitConfig
from robot_rl.envs.intervention import STOPPED

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def robot():
    cockpit = Cockpit(CockpitConfig(port=0, token=TOKEN), "pick_lift")
    cockpit.start()
    with RobotAtWork(cockpit) as robot:
        until(lambda: robot.steps or robot.error, "the first step")
        yield robot
    cockpit.close()
    assert robot.error is None


@pytest.fixture(scope="module")
def lasting_page(browser, robot):
    return browser.open(robot.cockpit.url).live()


@pytest.fixture
def page(browser, robot, lasting_page):
    """A page that others have used too, with nobody driving."""
    robot.is_waving = True
    yield lasting_page
    lasting_page.let_go()
    browser.close_all(but=(lasting_page,))
    until(lambda: robot.cockpit.inputs().num_viewers == 1 and not robot.cockpit.inputs().is_driven, "nobody drives")


@pytest.fixture
def own_page(browser, robot, page):
    """A page that a test may spoil."""
    return browser.open(robot.cockpit.url).live()


def drives(robot, **motion):
    """Whether a human acts, and moves exactly so."""
    if not robot.is_in_human_hands:
        return False
    return {axis: value for axis, value in robot.action.items() if abs(value) > 1e-6} == pytest.approx(motion, abs=1e-3)


def lit(picture):
    """A picture, once there is one; until then the page shows black."""
    return picture if max(picture) > 0 else None


def test_shows_pictures_that_change_state_and_episode(page, robot):
    for camera in ("front", "wrist"):
        first = until(lambda camera=camera: lit(page.picture(camera)), f"a picture of {camera}")
        until(lambda camera=camera, first=first: page.picture(camera) != first, f"another picture of {camera}")
    page.sees("#phase", "running")
    page.sees("#hand", "policy acts")
    page.sees("#episode", "pick_lift")
    page.sees("#gauges", "arm x")
    robot.cockpit.say("<b>recording</b> in 3")
    page.sees("#text", "<b>recording</b> in 3")
    robot.cockpit.say("")
    shown = page.script("return document.querySelector('#gauges .gauge output').textContent")
    assert float(shown.split()[0]) == pytest.approx(robot.position[0], abs=0.05)
    until(lambda: page.text("#q") not in ("\N{EN DASH}", ""), "the value of the state")
    assert page.errors() == []


def test_held_keys_drive_the_arm_and_letting_go_gives_it_back(page, robot):
    robot.is_waving = False
    page.press(Keys.SPACE, "w")
    until(lambda: drives(robot, x=0.6), "forward")
    start = robot.position[0]
    until(lambda: robot.position[0] > start + 0.02, "the arm went forward")
    page.sees("#hand", "human acts")
    page.sees("#seat", "you drive")
    page.press("q")
    until(lambda: drives(robot, x=0.6, yaw=0.6), "forward and turning")
    page.release("w", "q")
    until(lambda: drives(robot), "standing")
    page.press(Keys.SHIFT, Keys.ARROW_UP)
    until(lambda: drives(robot, z=0.15), "slowly up")
    page.release(Keys.ARROW_UP, Keys.SHIFT, Keys.SPACE)
    until(lambda: not robot.is_in_human_hands, "the policy acts again")


def test_keys_move_nothing_before_taking_over(page, robot):
    page.press("w")
    page.sees("#seat", "nobody drives")
    assert not robot.cockpit.inputs().motion
    page.click("#take")
    until(lambda: drives(robot, x=0.6), "the key that was down all along")
    page.click("#take")
    until(lambda: not robot.is_in_human_hands, "released")
    page.release("w")


def test_success_ends_the_episode(page, robot):
    before = len(robot.episodes)
    page.tap(Keys.ENTER)
    until(lambda: len(robot.episodes) > before, "an episode ended")
    assert robot.episodes[before]["success"] is True
    before = len(robot.episodes)
    page.click("[data-tap=failure]")
    until(lambda: len(robot.episodes) > before, "another ended")
    assert (robot.episodes[before]["success"], robot.episodes[before]["fault"]) == (False, "")
    assert page.errors() == []


def test_pause_holds_until_it_is_tapped_again(page, robot):
    page.tap("p")
    page.sees("#age", "last news")
    steps = robot.steps
    page.tap("p")
    until(lambda: robot.steps is not steps, "it goes on")


def test_stop_counts_for_everybody_and_frees_the_seat(browser, page, robot):
    page.press(Keys.SPACE, "w")
    until(lambda: drives(robot, x=0.6), "driving")
    other = browser.open(robot.cockpit.url).live()
    other.sees("#seat", "viewer")
    assert other.find("[data-tap=success]").is_enabled() is False
    before = len(robot.episodes)
    other.click("#stop")
    until(lambda: len(robot.episodes) > before, "stopped")
    assert robot.episodes[before]["fault"] == STOPPED
    until(lambda: robot.cockpit.inputs().is_driven is False, "nobody drives")


def test_two_windows_hand_over(browser, page, robot):
    robot.is_waving = False
    page.press("t")
    page.release("t")
    page.sees("#seat", "you drive")
    other = browser.open(robot.cockpit.url).live()
    other.sees("#take b", "Ask to drive")
    other.click("#take")
    page.sees("#ask", "asks to drive")
    page.click("#hand-over")
    other.sees("#seat", "you drive")
    other.press("s")
    until(lambda: drives(robot, x=-0.6), "the other one drives")
    page.press("w")
    page.sees("#take b", "Ask to drive")
    assert drives(robot, x=-0.6)
    page.release("w")
    other.release("s")


def test_a_window_that_is_closed_while_driving_lets_go(browser, page, robot):
    robot.is_waving = False
    driver = browser.open(robot.cockpit.url).live()
    driver.press(Keys.SPACE, "a")
    until(lambda: drives(robot, y=0.6), "driving")
    driver.close()
    until(lambda: not robot.is_in_human_hands, "let go")
    page.sees("#seat", "nobody drives")
    start = robot.position.copy()
    steps = robot.steps
    until(lambda: robot.steps is not steps and not robot.is_in_human_hands, "the policy acts")
    assert abs(robot.position - start).max() < 0.03


def test_a_page_that_hangs_or_is_hidden_lets_go(own_page, robot):
    page = own_page
    page.press(Keys.SPACE, "w")
    until(lambda: drives(robot, x=0.6), "driving")
    page.script("setTimeout(() => { const end = Date.now() + 1500; while (Date.now() < end); })")
    until(lambda: not robot.is_in_human_hands, "let go of a page that hangs", 1.4)
    page.release(Keys.SPACE, "w")
    page.press(Keys.SPACE)
    until(lambda: robot.is_in_human_hands, "driving again")
    page.script(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    until(lambda: not robot.is_in_human_hands, "let go of a page that is hidden")
    page.release(Keys.SPACE)


def test_frames_that_come_faster_than_they_are_decoded_are_skipped_and_all_are_acknowledged(own_page):
    early, in_the_end = own_page.look().execute_async_script(
        """
        const [camera, finish] = arguments;
        import("/cockpit/show.js").then(({showCameraFrame}) => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 640, height: 480});
          canvas.toBlob(async (blob) => {
            const jpeg = new Uint8Array(await blob.arrayBuffer()), name = new TextEncoder().encode(camera);
            const frame = new Uint8Array([name.length, 0, ...name, ...jpeg]).buffer;
            let acknowledged = 0;
            for (let number = 0; number < 30; number++) showCameraFrame(frame, () => { acknowledged += 1; });
            const early = acknowledged;
            setTimeout(() => finish([early, acknowledged]), 1000);
          }, "image/jpeg");
        });
        """,
        "front",
    )
    assert early in (28, 29), "of 30, one waits, and one is decoded unless the camera's own was"
    assert in_the_end == 30
    own_page.live()


def test_a_lost_line_lets_go_and_a_stop_pressed_meanwhile_is_sent_when_it_is_back(own_page, robot):
    own_page.press(Keys.SPACE, "w")
    until(lambda: drives(robot, x=0.6), "driving")
    before = len(robot.episodes)
    own_page.script("cockpit.socket.close()")
    until(lambda: not robot.is_in_human_hands, "let go")
    own_page.live()
    assert not robot.cockpit.inputs().is_driven, "a line that is back is not a hand that is back"
    assert len(robot.episodes) == before
    own_page.script("cockpit.socket.close(); document.querySelector('#stop').dispatchEvent(new Event('pointerdown'))")
    until(lambda: len(robot.episodes) > before, "stopped")
    assert robot.episodes[before]["fault"] == STOPPED


def test_the_pad_on_the_screen_drives_and_springs_back(page, robot):
    page.click("#take")
    page.sees("#seat", "you drive")
    pad = page.find("#pad-left")
    ActionChains(page.driver, duration=0).click_and_hold(pad).move_by_offset(0, -60).perform()
    until(lambda: robot.is_in_human_hands and robot.action["x"] > 0.4, "forward")
    ActionChains(page.driver, duration=0).release().perform()
    until(lambda: drives(robot), "standing")
    page.find("[data-grip='-1']").click()
    page.click("#take")


def test_a_gamepad_drives(own_page, robot):
    page = own_page
    page.script(
        """
        window.pad = {connected: true, axes: [0, 0, 0, 0], buttons: Array.from({length: 17}, () => ({pressed: false}))};
        navigator.getGamepads = () => [window.pad];
        """
    )
    page.script("pad.buttons[0].pressed = true; pad.axes[1] = -1; pad.axes[2] = 0.05;")
    until(lambda: drives(robot, x=0.6), "forward; the dead band swallows the other stick")
    before = len(robot.episodes)
    page.script("pad.buttons[3].pressed = true")
    until(lambda: len(robot.episodes) > before and robot.episodes[before]["success"], "success")
    page.script("pad.buttons[0].pressed = false")
    until(lambda: not robot.is_in_human_hands, "released")


def test_curves_are_drawn(page, robot):
    page.tap(Keys.ENTER)
    canvases = "return [...document.querySelectorAll('.curves .chart canvas')].length"
    until(lambda: page.script(canvases) >= 3, "three charts")
    colour = """
        const canvas = document.querySelectorAll(".curves .chart canvas")[1];
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += data[i] === 167 && data[i + 1] === 139 && data[i + 2] === 250;
        return count;
    """
    until(lambda: page.script(colour) > 20, "the curve of Q in its colour")


def test_a_wrong_token_is_told(browser, robot):
    page = browser.open(f"http://127.0.0.1:{robot.cockpit.port}/?token=of-an-earlier-run")
    page.sees("h1", "No entry")
    page.sees("p", "A new one is made each time a run starts")
    page.close()


def test_a_cockpit_that_dies_holds_the_robot_and_the_page_says_so(browser):
    cockpit = Cockpit(CockpitConfig(port=0), "pick_lift")
    cockpit.start()
    robot = RobotAtWork(cockpit)
    robot.goes_on_after_faults = False
    with robot:
        page = browser.open(cockpit.url).live()
        page.press(Keys.SPACE, "w")
        until(lambda: drives(robot, x=0.6), "driving")
        with pytest.warns(UserWarning, match="nobody sees or stops"):
            _kill_and_await_the_end(cockpit, robot)
        page.sees("#banner", "No connection")
    assert "ended with status -9" in robot.episodes[-1]["fault"]
    assert robot.error is None
    page.close()
    cockpit.close()


def _kill_and_await_the_end(cockpit, robot):
    os.kill(cockpit.pid, signal.SIGKILL)
    until(lambda: robot.episodes, "the episode ended")
    cockpit.publish({"critic/q": 0.0})
