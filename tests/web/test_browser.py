"""The page in a real browser: it paints, mixes, renders, shows errors, and complains of nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import add_style
from tests.live.browser import CHROMIUM, Browser
from tests.web.conftest import ORDER, Visitor, wait_for
from vidstyle.errors import StyleError
from vidstyle.style_library import Library
from vidstyle.web.studio import Studio

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")

PATIENCE = 60.0
"""Seconds; a browser without a GPU on a busy machine needs them."""

BUSY = "document.getElementById('frame').classList.contains('busy')"
STATUS = "document.getElementById('status').textContent"


class Hand:
    """Somebody at the page."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def wait(self, expression: str) -> Any:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if value := self.browser.evaluate(expression):
                    return value
            except AssertionError:
                pass  # the page is still being loaded
            assert time.monotonic() < until, (expression, self.browser.evaluate("document.body.innerText"))
            time.sleep(0.1)

    def do(self, script: str) -> Any:
        return self.browser.evaluate(f"(async () => {{ {script} }})()")

    def click(self, selector: str) -> None:
        self.do(f"document.querySelector({selector!r}).click()")

    def choose_files(self, *paths: Path) -> None:
        root = self.browser.call("DOM.getDocument")["root"]["nodeId"]
        node = self.browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def painted(self) -> Any:
        return self.wait(f"{STATUS}.includes('painted in') && !{BUSY} && {STATUS}")


@pytest.fixture
def hand(visitor: Visitor, tmp_path: Path) -> Iterator[Hand]:
    with Browser(visitor.url, tmp_path / "profile", width=1280, height=800) as browser:
        yield Hand(browser)


def test_the_page_from_the_first_picture_to_the_finished_film(
    hand: Hand, make_film: Callable[..., Path], tmp_path: Path
) -> None:
    hand.wait("window.complaints = []; document.querySelectorAll('.style').length === 2")
    hand.do("addEventListener('securitypolicyviolation', e => complaints.push(e.violatedDirective + e.blockedURI))")
    assert "960 × 540 · painted in" in hand.painted()
    assert hand.do("return document.querySelector('#mix li').innerText").startswith("test")

    hand.choose_files(make_film("first.mkv", frames=6), make_film('<b id="trap">.mkv', frames=6))
    hand.wait("document.getElementById('source').selectedOptions[0].textContent === '<b id=\"trap\">.mkv'")
    assert hand.do("return document.getElementById('source').options.length") == 3
    assert hand.do("return document.getElementById('trap')") is None
    hand.click(".style[data-style=waves]")
    hand.click(".style[data-style=mosaic] + .add")
    hand.do("const s = document.getElementById('strength'); s.value = 0.5; s.dispatchEvent(new Event('input'))")
    assert hand.do("return document.querySelectorAll('#mix li').length") == 2
    sliders = "return [...document.querySelectorAll('.panel input[type=range]')].map(s => s.ariaValueText)"
    assert hand.do(sliders) == ["50 %", "50 %", "50 %", "1×"], "what a screen reader says"
    hand.wait("document.getElementById('command').textContent.includes('-s waves -s mosaic --strength 0.5')")
    hand.painted()
    same = "const [a, b] = ['before', 'after'].map(id => document.getElementById(id));"
    assert hand.do(f"{same} return a.width === b.width && a.width === 64 && a.toDataURL() !== b.toDataURL()")

    hand.click("#render")
    hand.wait("document.querySelector('#jobs .done') !== null")
    assert "6 frames in" in hand.do("return document.getElementById('jobs').innerText")
    hand.click("#jobs .doing button")
    hand.wait("document.getElementById('result-film').videoWidth === 64")
    hand.do("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))")
    assert hand.do("return document.getElementById('result').hidden && document.activeElement.textContent") == "Play"
    hand.click("#jobs .doing button")
    hand.wait("document.getElementById('result-film').videoWidth === 64")
    hand.click(".style[data-style=waves]")
    hand.wait("document.getElementById('result').hidden")

    assert hand.do("return document.getElementById('message').hidden")
    hand.do("document.getElementById('result-film').src = '/api/jobs/gone/result'")
    hand.wait("document.getElementById('message').innerText.includes('b-id-trap-waves-mosaic.mp4 cannot be shown')")

    notes = tmp_path / "notes.txt"
    notes.write_text("no film\n" * 20)
    hand.choose_files(notes, make_film("third.mkv", frames=2), shutil.copy(notes, tmp_path / "more.txt"))
    hand.wait("document.getElementById('message').innerText.includes('more.txt')")
    assert "'notes.txt'" in hand.do("return document.getElementById('message').innerText"), "each that is refused"
    assert hand.do("return complaints") == []


ON_AIR = "[...document.querySelectorAll('.style[aria-pressed=true]')].map(b => b.dataset.style).join()"
STREAM = "document.getElementById('live-picture').getAttribute('src')"


def test_the_controls_are_the_running_sessions(hand: Hand, visitor: Visitor, studio: Studio) -> None:
    hand.painted()
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": {"styles": [["waves", 1]]}}).status == 200
    hand.do("window.asked = []; const ask = fetch; window.fetch = (...a) => (asked.push(a[0]), ask(...a))")
    hand.click("#networks [data-network=classic]")
    hand.click("#mode-live")
    hand.wait("!document.getElementById('figures').hidden")
    assert hand.do("return document.querySelector('#networks [aria-pressed=true]').dataset.network") == "live"
    assert hand.do(f"return {ON_AIR}") == "waves"
    assert hand.do("return document.getElementById('camera').value") == "synthetic"
    assert "/api/live/look" not in hand.do("return asked"), "to look at it turns nothing"
    hand.click(".style[data-style=mosaic] + .add")
    control = studio.broadcast._session.loop.control
    wait_for(lambda: control.settings.styles == (("waves", 1.0), ("mosaic", 1.0)))
    control.perform("mix", [["waves", 3], ["mosaic", 1]])  # another page, or a button of a Stream Deck
    hand.wait("document.querySelector('#mix .share').textContent === '75 %'")
    hand.click("#record")
    hand.wait("document.getElementById('record').textContent === 'Stop recording'")
    visitor.wait_until_recorded()
    hand.click("#record")
    hand.wait("document.getElementById('jobs').innerText.includes('Recorded live')")
    before = hand.wait(STREAM)
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": {"styles": [["mosaic", 1]]}}).status == 200
    hand.wait(f"{STREAM} && {STREAM} !== {before!r}")
    assert hand.do(f"return {ON_AIR}") == "mosaic"
    assert hand.do("return document.getElementById('message').hidden")


def test_a_page_that_is_loaded_anew_goes_on(hand: Hand, visitor: Visitor) -> None:
    hand.painted()
    hand.click(".style[data-style=waves] + .add")
    for control, value in (("strength", 0.5), ("stroke", 1), ("at", 2)):
        turned = f"const s = document.getElementById('{control}'); s.value = {value};"
        hand.do(f"{turned} s.dispatchEvent(new Event('input'))")
    hand.wait("document.getElementById('command').textContent.includes('-s mosaic -s waves --strength 0.5 --stroke 2')")
    hand.do("window.old = true; location.reload()")
    hand.wait("!window.old && document.getElementById('command').textContent.includes('--strength 0.5 --stroke 2')")
    assert hand.do(f"return {ON_AIR}") == "mosaic,waves"
    assert hand.do("return document.getElementById('at-text').textContent") == "0:02.00"
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": {"styles": [["waves", 1]]}}).status == 200
    hand.click("#mode-live")
    hand.wait(STREAM)
    hand.do("window.old = true; location.reload()")
    hand.wait(f"!window.old && {STREAM}")
    assert hand.do(f"return {ON_AIR}") == "waves"


def test_styles_that_come_and_go_meanwhile_are_seen(
    hand: Hand, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.painted()
    add_style(tmp_path / "own", "extra", {"live": library.style("waves", library.network()).vector})
    before = library.roots
    monkeypatch.setattr(library, "roots", (tmp_path / "own", *before))
    hand.do("dispatchEvent(new Event('focus'))")
    hand.wait("document.querySelectorAll('.style').length === 3")
    assert hand.do(f"return {ON_AIR}") == "mosaic"
    hand.click(".style[data-style=extra]")
    hand.wait("document.getElementById('command').textContent.includes('-s extra')")
    hand.painted()
    monkeypatch.setattr(library, "roots", before)
    hand.do("dispatchEvent(new Event('focus'))")
    hand.wait("document.querySelectorAll('.style').length === 2")
    assert hand.do(f"return {ON_AIR}") == "mosaic"
    assert hand.do("return document.getElementById('message').hidden")


def test_styles_that_come_and_go_turn_nothing_on_air(
    hand: Hand, visitor: Visitor, studio: Studio, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.painted()
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": ORDER}).status == 200
    hand.click("#mode-live")
    hand.wait(STREAM)
    hand.do("window.asked = []; const ask = fetch; window.fetch = (...a) => (asked.push(a[0]), ask(...a))")
    add_style(tmp_path / "own", "extra", {"live": library.style("waves", library.network()).vector})
    before = library.roots
    monkeypatch.setattr(library, "roots", (tmp_path / "own", *before))
    studio.broadcast._session.loop.control.choose("extra")  # another page, which knows it already
    hand.do("dispatchEvent(new Event('focus'))")
    hand.wait(f"{ON_AIR} === 'extra'")
    monkeypatch.setattr(library, "roots", before)
    hand.do("dispatchEvent(new Event('focus'))")
    hand.wait("document.querySelectorAll('.style').length === 2")
    assert "/api/live/look" not in hand.do("return asked")


def test_why_the_page_cannot_begin_stays_on_it(hand: Hand, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    hand.painted()

    def fail() -> None:
        raise StyleError("a card cannot be read")

    monkeypatch.setattr(studio, "to_json", fail)
    hand.do("location.reload()")
    hand.wait("document.getElementById('veil').innerText === 'a card cannot be read'")


def test_the_gallery_stays_where_it_was_scrolled(hand: Hand) -> None:
    hand.painted()
    hand.do("document.querySelector('.style').click()")
    hand.do("document.getElementById('styles').style.cssText = 'display: block; height: 4em; overflow-y: auto'")
    scrolled = "return document.getElementById('styles').scrollTop"
    hand.do("document.getElementById('styles').scrollTop = 1000")
    before = hand.do(scrolled)
    assert before > 0
    hand.do("const s = document.getElementById('strength'); s.value = 0.5; s.dispatchEvent(new Event('input'))")
    hand.wait("document.getElementById('command').textContent.includes('--strength 0.5')")
    assert hand.do(scrolled) == before


def test_a_small_window_shows_the_picture_and_scrolls_in_one_direction_only(hand: Hand) -> None:
    hand.painted()
    for width, height in ((1280, 800), (820, 800), (390, 800), (320, 800), (844, 390), (640, 360)):
        hand.browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        assert hand.do("return document.documentElement.scrollWidth") <= width
        if height < 500:  # its parts scroll: the page, scrolled by a key, would not come back
            assert hand.do("return document.documentElement.scrollHeight") <= height
        box = hand.do("const b = document.getElementById('frame').getBoundingClientRect(); return [b.width, b.height]")
        assert box[0] > 0.45 * min(width, 1000)
        assert box[0] / box[1] == pytest.approx(16 / 9, rel=0.02)
