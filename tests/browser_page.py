"""A Chromium window with the cockpit in it, and what a person would look for there."""

from __future__ import annotations

import shutil
import time

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,1000",
)
PATIENCE_S = 20.0


def until(condition, what, patience_s=PATIENCE_S):
    """Return what `condition` returns once that is true."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        time.sleep(0.01)


class Browser:
    """A headless Chromium."""

    def __init__(self, profile, *flags):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
        self.driver.set_page_load_timeout(60)
        self.home = self.driver.current_window_handle

    def open(self, url, kind="window"):
        """Return a page in a window, or a tab, of its own."""
        self.driver.switch_to.window(self.home)
        self.driver.switch_to.new_window(kind)
        page = Page(self.driver, self.driver.current_window_handle)
        self.driver.get(url)
        return page

    def close_all(self, but=()):
        """Close every page but those, and the blank first one."""
        kept = {self.home, *(page.handle for page in but)}
        for handle in self.driver.window_handles:
            if handle not in kept:
                self.driver.switch_to.window(handle)
                self.driver.close()
        self.driver.switch_to.window(self.home)

    def quit(self):
        self.driver.quit()


class Page:
    """One window."""

    def __init__(self, driver, handle):
        self.driver, self.handle = driver, handle

    def look(self):
        """Go to this window."""
        self.driver.switch_to.window(self.handle)
        return self.driver

    def script(self, script, *arguments):
        return self.look().execute_script(script, *arguments)

    def find(self, selector):
        return self.look().find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def sees(self, selector, text):
        """Wait until an element reads like that."""
        until(lambda: text in self.text(selector), f"{selector} says {text!r}; it says {self.text(selector)!r}")

    def live(self):
        """Wait until pictures come."""
        self.sees("#link", "ms")
        until(lambda: self.script("return Number(document.querySelector('#cameras img')?.dataset.frames || 0)") > 0, "pictures")
        return self

    def press(self, *keys):
        """Press keys and hold them."""
        self.look()
        actions = ActionChains(self.driver, duration=0)
        for key in keys:
            actions.key_down(key)
        actions.perform()

    def release(self, *keys):
        self.look()
        actions = ActionChains(self.driver, duration=0)
        for key in keys:
            actions.key_up(key)
        actions.perform()

    def let_go(self):
        """Take the hands off everything."""
        ActionChains(self.look()).reset_actions()
        self.script("cockpit.hands.letGo()")

    def tap(self, key):
        self.press(key)
        self.release(key)

    def click(self, selector):
        element = self.find(selector)
        until(element.is_displayed, f"{selector} to be clicked")
        element.click()

    def picture(self, camera):
        """Return the mean colour of each of 8 x 8 parts of what a camera shows."""
        return self.script(
            """
            const image = document.querySelector(`img[data-camera=${arguments[0]}]`);
            const canvas = new OffscreenCanvas(8, 8).getContext("2d");
            canvas.drawImage(image, 0, 0, 8, 8);
            return [...canvas.getImageData(0, 0, 8, 8).data];
            """,
            camera,
        )

    def errors(self):
        """Return what the page's scripts complained of."""
        return [entry["message"] for entry in self.look().get_log("browser") if entry["level"] == "SEVERE"]

    def close(self):
        self.look()
        self.driver.close()
