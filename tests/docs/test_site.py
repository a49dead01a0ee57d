"""`make site` shows every page, and fails on a broken link, a broken anchor and a page in no navigation."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.docs import pages
from tests.docs.pages import ROOT
from tests.make import run

OUTSIDE = {
    "README.md": "index.html",
    "CONTRIBUTING.md": "contributing/index.html",
    "CODE_OF_CONDUCT.md": "code-of-conduct/index.html",
}
"""Pages of the root whose place in the site is not their name."""
KEPT = frozenset(("h1", "h2", "h3", "h4", "li", "table", "tr", "td", "pre", "code", "strong", "blockquote"))
"""Elements that a page has as often in the site as on a forge."""


@pytest.fixture
def checkout(mkdocs: None, tmp_path: Path) -> Path:
    """A checkout whose pages a test may change; it shares everything else with this one."""
    for path in ROOT.iterdir():
        copy = tmp_path / path.name
        if path.name == "docs":
            shutil.copytree(path, copy)
        elif path.suffix == ".md":
            shutil.copy(path, copy)
        elif path.name not in (".git", ".swarmer"):
            copy.symlink_to(path)
    return tmp_path


def refusals(checkout: Path) -> list[str]:
    """Warnings of a `make site` that fails because of them."""
    done = run(checkout, "site")
    assert done.returncode != 0
    assert "in strict mode" in done.stdout + done.stderr
    return re.findall(r"^WARNING +- +(.+(?:\n  .+)*)", done.stderr, re.MULTILINE)


def append(page: Path, text: str) -> None:
    page.write_text(f"{page.read_text()}\n{text}\n")


@pytest.mark.parametrize(
    ("page", "link", "warning"),
    [
        ("docs/guides/aws.md", "nowhere.md", "guides/aws.md.+'nowhere.md'"),
        (
            "docs/guides/aws.md",
            "troubleshooting.md#nowhere",
            "guides/aws.md.+does not contain an anchor '#nowhere'",
        ),
        ("docs/guides/aws.md", "#nowhere", "guides/aws.md.+'#nowhere'"),
        ("docs/guides/aws.md", "../../swarmer/nowhere.py", "guides/aws.md.+'../../swarmer/nowhere.py'"),
        ("README.md", "docs/guides/nowhere.md", "index.md.+'guides/nowhere.md'"),
        ("README.md", "guides/aws.md", "README.md.+'guides/aws.md' leads to no file"),
        ("README.md", "docs/guides/aws.md#nowhere", "index.md.+does not contain an anchor '#nowhere'"),
    ],
)
def test_a_broken_link_or_anchor_fails_the_site_and_is_named(
    checkout: Path, page: str, link: str, warning: str
) -> None:
    append(checkout / page, f"[There]({link})")
    [told] = refusals(checkout)
    assert re.search(warning, told)


def test_a_page_in_no_navigation_fails_the_site_and_is_named(checkout: Path) -> None:
    (checkout / "docs/lost").mkdir()
    (checkout / "docs/lost/page.md").write_text("# Lost\n")
    [told] = refusals(checkout)
    assert re.search(r"not included in the \"nav\" configuration:\s+- lost/page\.md", told)


def test_a_new_page_of_a_known_folder_is_in_the_navigation(checkout: Path) -> None:
    (checkout / "docs/guides/new.md").write_text("# A new guide\n")
    done = run(checkout, "site")
    assert done.returncode == 0, done.stderr
    home = (checkout / ".swarmer/site/index.html").read_text()
    assert re.search(r'<a href="guides/new/"', home)


def test_a_link_to_a_file_of_the_repository_is_text_unless_the_forge_is_known(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(checkout / "docs/guides/aws.md", "[the adapter](../../swarmer/adapters/aws.py)")
    made = checkout / ".swarmer/site/guides/aws/index.html"
    assert run(checkout, "site").returncode == 0
    assert "<span>the adapter</span>" in made.read_text()
    monkeypatch.setenv("SITE_REPOSITORY", "https://forge.example/swarmer/blob/main")
    assert run(checkout, "site").returncode == 0
    link = '<a href="https://forge.example/swarmer/blob/main/swarmer/adapters/aws.py">the adapter</a>'
    assert link in made.read_text()


# -- the site of this checkout -------------------------------------------------------------------------


class Elements(HTMLParser):
    """Counts elements that have no class of their own: Material's buttons and icons have one."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Counter[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in KEPT:
            self.counted[tag] += 1


def elements(html: str) -> Counter[str]:
    parser = Elements()
    parser.feed(html)
    return parser.counted


def in_site(site: Path, page: Path) -> Path:
    """File of a page in the site."""
    name = pages.name_of(page)
    if name in OUTSIDE:
        return site / OUTSIDE[name]
    if "/" not in name:
        return site / page.stem.lower() / "index.html"
    parts = page.relative_to(ROOT).parts
    if parts[0] == "docs":
        folder = page.parent if page.name == "README.md" else page.with_suffix("")
        return site / folder.relative_to(ROOT / "docs") / "index.html"
    return site.joinpath(*parts[:-1], "index.html")


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_the_site_has_each_page_with_its_lists_tables_and_blocks(site: Path, page: Path) -> None:
    """Python's Markdown and CommonMark differ, for example in nested lists."""
    article = re.search(r"<article.*?</article>", in_site(site, page).read_text(), re.DOTALL)
    assert article
    on_a_forge = MarkdownIt("commonmark").enable("table").render(page.read_text())
    assert elements(article[0]) == elements(on_a_forge)


def test_the_site_takes_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?([^\"' >]+)", text)
        loaded += re.findall(
            r"<link[^>]+rel=[\"']?(?:stylesheet|preconnect|icon)[^>]+href=[\"']?([^\"' >]+)", text
        )
        loaded += re.findall(
            r"<link[^>]+href=[\"']?([^\"' >]+)[^>]+rel=[\"']?(?:stylesheet|preconnect|icon)", text
        )
        assert len(loaded) >= 3
        assert [each for each in loaded if re.match("(https?:)?//", each)] == [], page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\([\"']?(?:https?:)?//[^)]+\)", sheet.read_text()) == [], sheet


def test_the_sites_own_files_are_no_part_of_it(site: Path) -> None:
    assert [path.name for path in (site / "site").iterdir()] == ["site.css"]
