# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium without a window, which opens pages of reports from files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_page import Sources, page
from labkit.waiting import HANG, until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from setup import REPOSITORY

FILES = REPOSITORY / "roles" / "cache_report" / "files"
SOURCES = Sources(*((FILES / name).read_text(encoding="utf-8") for name in ("page.html.j2", "page.css", "page.js")))
WIDE, NARROW = 1280, 360
PAPER = 718
"""The width of a sheet of A4 between margins of a centimetre."""
HEIGHT = 900


class Browser:
    """The browser. It ends with its block."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium")
        for word in ("headless=new", "disable-dev-shm-usage", "disable-gpu", *(["no-sandbox"] if _is_root() else [])):
            options.add_argument(f"--{word}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
        self.driver.set_script_timeout(HANG)
        self.driver.set_page_load_timeout(HANG)
        self.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        self._folder = Path()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.driver.quit()

    def begin(self, folder: Path) -> None:
        """Forget what was set and said before. Pages are files in this folder."""
        self._folder = folder
        self.look(WIDE, "light")
        self.complaints()

    def look(self, width: int, scheme: str = "light", media: str = "") -> None:
        """Be as wide as this, light or dark, and on paper if ``media`` is print."""
        metrics = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def open(self, report: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
        """Open the page of a report."""
        file = self._folder / "report.html"
        file.write_text(page(report, before, SOURCES), encoding="utf-8")
        self.driver.get(file.as_uri())

    def complaints(self) -> list[str]:
        """What the browser has complained of since this was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """The elements that a selector names."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The only element that a selector names."""
        (found,) = self.all(selector)
        return found

    def filter(self, table: str, words: str, told: str) -> None:
        """Type into the filter of a table, and wait until this is announced."""
        self.one(f"#{table}-filter").send_keys(words)
        status = self.one(f"#{table}-status")
        until(lambda: status.text == told, lambda: f"it announces {status.text!r}, not {told!r}")

    def metric(self, name: str) -> float:
        """A number that the browser has measured of itself."""
        metrics = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        (value,) = [one["value"] for one in metrics if one["name"] == name]
        return float(value)


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not there: start the tests by make")
    return found


def _is_root() -> bool:
    """Then Chromium cannot have its sandbox."""
    return os.geteuid() == 0
