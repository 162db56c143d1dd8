"""The report in Debian's Chromium, headless."""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common.ui import megabytes
from hatch_lambda.inspect import contents, report
from tests.support.lambda_zips import make_hostile, make_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.remote.webelement import WebElement

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="needs Chromium and its driver: `apt-get install chromium chromium-driver`, or `.ci/browser`",
    ),
]

FLAGS = (
    "--headless",
    "--no-sandbox",  # as root, in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """A browser with an open page."""

    def __init__(self, profile: Path, *, javascript: bool = True) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        if not javascript:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        self.driver = webdriver.Chrome(options, Service(str(DRIVER)))

    def show(self, page: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme, still]})
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get("about:blank")
        self.console()
        self.requests()
        self.driver.get(page.as_uri() if isinstance(page, Path) else page)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.driver.find_elements("css selector", selector)
        return found

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def point_at(self, element: WebElement) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element(element).perform()

    def click(self, element: WebElement) -> None:
        """At its upper left corner, where a tile has its name; further down it may have other tiles in it."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        left, top = self.run("const box = arguments[0].getBoundingClientRect(); return [box.left, box.top]", element)
        actions = ActionBuilder(self.driver)
        actions.pointer_action.move_to_location(int(left) + 6, int(top) + 8).click()  # type: ignore[no-untyped-call]
        actions.perform()

    def tile(self, label: str) -> WebElement:
        """The tile of that name in the map that is shown."""
        return next(
            tile for tile in self.all(".tiles li > :first-child") if tile.is_displayed() and tile.text.startswith(label)
        )

    @property
    def way(self) -> str:
        """Where in the zip the map is that is shown."""
        (way,) = (one for one in self.all(".way ol") if one.is_displayed())
        return " > ".join(step.text for step in way.find_elements("css selector", "li"))

    @property
    def focused(self) -> str:
        text: str = self.driver.switch_to.active_element.text
        return text.partition("\n")[0]

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@contextmanager
def started(profile: Path, *, javascript: bool = True) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")  # between this process and the driver
        browser = Browser(profile, javascript=javascript)
        try:
            yield browser
        finally:
            browser.driver.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def without_javascript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile"), javascript=False) as found:
        yield found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def page(shop: Path) -> Path:
    return report.write(shop, shop.with_suffix(".html"))


WHOLE = "shop-1.0-python3.13-x86_64.zip"
NUMBERS = f"{WHOLE} > numbers-kit 1.4"
CORE = f"{NUMBERS} > core/"


def test_renders_without_errors_or_requests(browser: Browser, page: Path) -> None:
    browser.show(page)

    assert browser.driver.title == WHOLE
    assert browser.way == WHOLE
    assert browser.tile("engine.so").is_displayed()
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]


def test_makes_no_requests_when_served_by_http(browser: Browser, page: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = page.read_bytes() if self.path == "/page.html" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        browser.show(f"http://127.0.0.1:{server.server_port}/page.html")
        browser.tile("engine.so")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    # A browser may ask for an icon by itself.
    assert [path for path in asked if path != "/favicon.ico"] == ["/page.html"]


def test_policy_blocks_foreign_scripts_and_styles(browser: Browser, page: Path) -> None:
    browser.show(page)

    blocked = browser.driver.execute_async_script("""
        const done = arguments[0], blocked = [];
        document.addEventListener('securitypolicyviolation', event => {
            blocked.push(event.effectiveDirective);
            if (blocked.length === 3) done(blocked.sort());
        });
        const script = document.createElement('script');
        script.textContent = 'document.title = "taken over"';
        const image = document.createElement('img');
        image.src = 'https://example.org/x.png';
        const style = document.createElement('style');
        style.textContent = 'body { display: none }';
        document.body.append(script, image, style);
    """)

    assert blocked == ["img-src", "script-src-elem", "style-src-elem"]
    assert browser.driver.title == WHOLE
    assert browser.one("h1").is_displayed()


def test_areas_are_proportional_to_sizes(browser: Browser, page: Path, shop: Path) -> None:
    browser.show(page)

    held = contents.read(shop)
    boxes = browser.run("""
        const whole = document.querySelector('.map.shown .tiles');
        return [...whole.children].map(tile => {
            const box = tile.getBoundingClientRect(), all = whole.getBoundingClientRect();
            return [tile.textContent, box.width * box.height / (all.width * all.height)];
        });
    """)
    areas = {found.name: area for text, area in boxes for found in held.installed if text.startswith(str(found))}
    for found in held.installed:
        if found.portion.size > held.size / 100:
            assert areas[found.name] == pytest.approx(found.portion.size / held.size, abs=0.003)


def test_click_zooms_in_and_out(browser: Browser, page: Path) -> None:
    browser.show(page)

    browser.click(browser.tile("numbers-kit 1.4"))
    assert browser.way == NUMBERS
    browser.click(browser.tile("core/"))
    assert browser.way == CORE
    assert browser.tile("engine.so").is_displayed()

    browser.driver.back()
    assert browser.way == NUMBERS
    (whole,) = [link for link in browser.all(".way a") if link.is_displayed()]
    whole.click()
    assert browser.way == WHOLE
    assert browser.console() == []


def test_click_on_a_file_opens_its_directory(browser: Browser, page: Path) -> None:
    browser.show(page)

    browser.click(browser.tile("engine.so"))

    assert browser.way == CORE


def test_zooming_does_not_scroll(browser: Browser, page: Path) -> None:
    browser.show(page, height=500)
    browser.run("scrollTo(0, 260)")

    browser.click(browser.tile("numbers-kit 1.4"))

    assert browser.run("return scrollY") == 260


def test_url_restores_the_view(browser: Browser, page: Path) -> None:
    browser.show(page)
    browser.click(browser.tile("core/"))
    address = browser.driver.current_url

    browser.show(page)
    browser.show(address)

    assert address.startswith(f"{page.as_uri()}#map-")
    assert browser.way == CORE


def test_keyboard_navigation(browser: Browser, page: Path) -> None:
    from selenium.webdriver import Keys

    browser.show(page)
    for _ in range(8):
        browser.press(Keys.TAB)
        if browser.run("return document.activeElement.closest('.tiles') !== null"):
            break
    assert browser.focused == "numbers-kit 1.4"
    browser.press(Keys.ARROW_DOWN)
    assert browser.focused == "core/"
    browser.press(Keys.ENTER)
    assert browser.way == CORE
    assert browser.focused == "engine.so"

    seen = {browser.focused}
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_UP):
        browser.press(key)
        seen.add(browser.focused)
    assert seen >= {"engine.so", "plan.py", "steps.py"}

    browser.press(Keys.ESCAPE)
    assert browser.way == NUMBERS
    assert browser.focused == "core/"  # where one came from
    browser.press(Keys.BACKSPACE)
    assert browser.way == WHOLE
    assert browser.focused == "numbers-kit 1.4"
    assert browser.one("#news").get_attribute("textContent").startswith(f"Map of {WHOLE}, ")  # type: ignore[union-attr]
    assert browser.console() == []


def test_map_is_one_tab_stop(browser: Browser, page: Path) -> None:
    browser.show(page)

    assert browser.run("return document.querySelectorAll('.map.shown .tiles [tabindex=\"0\"]').length") == 1
    assert browser.run("return document.querySelectorAll('.map.shown .tiles :not([tabindex])[href]').length") == 0


def test_tooltip_on_hover_and_focus(browser: Browser, page: Path, shop: Path) -> None:
    from selenium.webdriver import Keys

    entry = next(
        entry for entry in contents.read(shop).entries if entry.path.endswith("engine.cpython-313-x86_64-linux-gnu.so")
    )
    browser.show(page)
    tip = browser.one("#tip")
    assert not tip.is_displayed()

    browser.point_at(browser.tile("engine.so"))
    assert tip.is_displayed()
    name, facts = tip.text.split("\n", 1)
    assert name == entry.path
    assert f"{megabytes(entry.size)} unzipped · {megabytes(entry.compressed)} zipped" in facts
    assert "native code" in facts
    box, view = tip.rect, browser.run("return [innerWidth, innerHeight]")
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= view[0]

    browser.point_at(browser.one("h2"))
    assert not tip.is_displayed()
    browser.run("document.querySelector('.map.shown .tiles [tabindex=\"0\"]').focus()")
    browser.press(Keys.ARROW_DOWN)
    assert tip.is_displayed()
    assert tip.text.startswith("numbers_kit/core")
    browser.press(Keys.TAB)
    assert not tip.is_displayed()


def column(browser: Browser, number: int) -> list[str]:
    return browser.texts(f"#distributions tbody tr > :nth-child({number})")


def test_tables_sort(browser: Browser, page: Path) -> None:
    from selenium.webdriver import Keys

    browser.show(page)
    by_size = ["numbers-kit 1.4", "carts 2.5", "shop 1.0"]
    assert column(browser, 1) == by_size
    header = browser.one("#distributions thead th:first-child")
    size = browser.one("#distributions thead th:nth-child(2)")
    assert size.get_attribute("aria-sort") == "descending"

    header.find_element("css selector", "button").click()
    assert column(browser, 1) == sorted(by_size)
    assert header.get_attribute("aria-sort") == "ascending"
    assert size.get_attribute("aria-sort") is None
    header.find_element("css selector", "button").click()
    assert column(browser, 1) == sorted(by_size, reverse=True)

    browser.run("arguments[0].focus()", size.find_element("css selector", "button"))
    browser.press(Keys.ENTER)
    assert column(browser, 1) == by_size
    browser.press(Keys.SPACE)
    assert column(browser, 1) == by_size[::-1]
    assert size.get_attribute("aria-sort") == "ascending"


def test_tables_filter(browser: Browser, page: Path) -> None:
    browser.show(page)
    field = browser.one("#distributions input")

    field.send_keys("KIT")
    rows = [row for row in browser.all("#distributions tbody tr") if row.is_displayed()]
    assert [row.text.partition("\n")[0].partition(" 1.4")[0] for row in rows] == ["numbers-kit"]
    assert browser.one("#distributions output").text == "1 of 3"

    field.clear()
    field.send_keys("nothing of this")
    assert not any(row.is_displayed() for row in browser.all("#distributions tbody tr"))
    assert browser.one("#distributions output").text == "0 of 3"

    field.clear()
    field.send_keys(" ")
    assert all(row.is_displayed() for row in browser.all("#distributions tbody tr"))
    assert browser.one("#distributions output").text == ""


def test_links_between_tables_and_map(browser: Browser, page: Path) -> None:
    browser.show(page, height=500)

    browser.one("#d-carts th a").click()
    assert browser.way == f"{WHOLE} > carts 2.5"
    assert browser.run("return Math.abs(document.querySelector('#content').getBoundingClientRect().top) < 40")

    browser.one("#d-carts td a").click()
    assert browser.driver.current_url.endswith("#d-shop")
    assert browser.way == f"{WHOLE} > carts 2.5"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768, 1280, 1920])
def test_nothing_overflows(browser: Browser, page: Path, width: int, dark: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    browser.show(page, width=width, dark=dark)

    assert browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    cut_off = browser.run("""
        return [...document.querySelectorAll('.card :is(th, td, p, h2, li:not(.tiles li)), header *')].filter(one => {
            const box = one.getBoundingClientRect();
            const card = (one.closest('.card') || document.body).getBoundingClientRect();
            return box.width > 1 && (box.right > card.right + 1 || box.left < card.left - 1);
        }).map(one => one.outerHTML);
    """)
    assert cut_off == []


def test_dark_and_light_mode(browser: Browser, page: Path) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"

    browser.show(page, dark=False)
    light = browser.run(ground)
    browser.show(page, dark=True)

    assert (light, browser.run(ground)) == ("rgb(246, 247, 249)", "rgb(18, 21, 26)")


def test_no_layout_shift(browser: Browser, page: Path) -> None:
    browser.show(page)

    shifts = browser.driver.execute_async_script("""
        const done = arguments[0];
        const observer = new PerformanceObserver(list => list);
        observer.observe({ type: 'layout-shift', buffered: true });
        requestAnimationFrame(() => setTimeout(
            () => done(observer.takeRecords().reduce((sum, shift) => sum + shift.value, 0)), 100));
    """)

    assert shifts == 0


def test_print(browser: Browser, page: Path) -> None:
    browser.show(page)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})

    assert browser.tile("engine.so").is_displayed()
    assert not browser.one("#distributions input").is_displayed()
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def test_everything_is_visible_without_javascript(without_javascript: Browser, page: Path) -> None:
    browser = without_javascript
    browser.show(page)

    assert browser.run("return document.documentElement.className") == ""  # the page's own script has not run
    assert browser.tile("engine.so").is_displayed()
    assert column(browser, 1) == ["numbers-kit 1.4", "carts 2.5", "shop 1.0"]
    assert not browser.one("#distributions input").is_displayed()
    assert browser.all("thead button") == []
    assert browser.tile("engine.so").get_attribute("title")


def test_navigation_without_javascript(without_javascript: Browser, page: Path) -> None:
    browser = without_javascript
    browser.show(page)

    browser.click(browser.tile("numbers-kit 1.4"))
    assert browser.way == NUMBERS
    browser.click(browser.tile("core/"))
    assert browser.way == CORE
    next(link for link in browser.all(".way a") if link.is_displayed()).click()
    assert browser.way == WHOLE


@pytest.mark.skipif(os.name == "nt", reason="the file system takes no such name")
def test_hostile_names_are_harmless(browser: Browser, tmp_path: Path) -> None:
    page = report.write(make_hostile(tmp_path), tmp_path / "page.html")

    browser.show(page)
    browser.click(browser.tile("Files outside distributions"))
    for tile in browser.all(".map.shown .tiles li > :first-child")[:6]:
        browser.point_at(tile)

    assert "<script>alert(1)</script>.py" in browser.run("return document.body.textContent")
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.images.length") == 0
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]


def test_single_file(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "app.py").write_text("x = 1\n" * 100, encoding="utf-8")

    browser.show(report.write(tmp_path / "bundle", tmp_path / "page.html"))

    assert browser.tile("app.py").is_displayed()
    assert browser.console() == []
