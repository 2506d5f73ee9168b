"""The page's files: all there, referring only to what is there, loading nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.web.conftest import Visitor
from vidstyle.web.routes import page_files

TEXTS = {name: data.decode() for name, data in page_files().items()}
SCRIPTS = sorted(name for name in TEXTS if name.endswith(".js"))


class Page(HTMLParser):
    """What the page links to, the ids it has, and what has a label."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self.inline: list[str] = []
        self._in_label = 0
        self.feed(TEXTS["index.html"])

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        values = dict(pairs)
        self.links += [str(values[name]) for name in ("src", "href") if name in values]
        self.ids += [str(values["id"])] if "id" in values else []
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in values) else []
        self._in_label += tag == "label"
        if tag == "label" and "for" in values:
            self.labelled.add(str(values["for"]))
        if tag in ("input", "select"):
            if self._in_label or "aria-label" in values or "hidden" in values:
                self.labelled.add(str(values["id"]))
            self.fields.append(values)

    def handle_endtag(self, tag: str) -> None:
        self._in_label -= tag == "label"


def test_the_page_links_only_to_files_that_are_there() -> None:
    assert {link.removeprefix("/") for link in Page().links} <= set(TEXTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_only_what_is_there(name: str) -> None:
    for imported, file in re.findall(r'import \{([^}]*)\} from "\./([^"]+)"', TEXTS[name]):
        for word in filter(None, (word.strip() for word in imported.split(","))):
            assert re.search(rf"export (async )?(function|class|const) {word}\b", TEXTS[file]), (word, file)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_look_only_for_elements_that_are_there(name: str) -> None:
    wanted = set(re.findall(r'(?:byId|getElementById)\("([^"]+)"\)', TEXTS[name]))
    assert wanted <= set(Page().ids)


def test_ids_are_unique_and_fields_have_labels() -> None:
    page = Page()
    assert len(page.ids) == len(set(page.ids))
    assert [field["id"] for field in page.fields if field["id"] not in page.labelled] == []


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_nothing_comes_from_elsewhere_and_no_text_becomes_html(name: str) -> None:
    text = TEXTS[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert "TODO" not in text


def test_the_policy_allows_nothing_that_the_page_does_not_need(visitor: Visitor) -> None:
    assert Page().inline == []
    answer = visitor.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    for name, data in page_files().items():
        answer = visitor.get(f"/{name}")
        assert (answer.status, answer.body) == (200, data)
    assert visitor.get("/studio.js").headers["Content-Type"].startswith("text/javascript")


def test_what_must_be_seen_is_described() -> None:
    assert "prefers-reduced-motion" in TEXTS["studio.css"]
    assert "forced-colors" in TEXTS["studio.css"]
    assert ":focus-visible" in TEXTS["studio.css"]
    assert set(re.findall(r"<(\w+)", TEXTS["icon.svg"])) <= {"svg", "rect", "path", "circle"}
