"""Hooks of MkDocs: pages outside docs/, navigation by folder, and links to files of the repository."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log: Final = get_plugin_logger("links")
_ITEM: Final = re.compile(r" *(?:[-*+]|\d+\.) +")
"""Start of a list's item, up to its text."""
Nav = list[Any]
"""Value of the key `nav`: paths, and titles with a path or with entries below them."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have links and anchors made as forges make them. `mkdocs serve` watches the pages outside docs/."""
    root = Path(config.config_file_path).parent
    pages = outside_pages(root, config.extra["pages"])
    config.markdown_extensions.append(RepositoryLinks(root, pages, config.extra["repository"]))
    config.mdx_configs["toc"]["slugify"] = slug
    config.watch += [str(root / source) for source in pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, then put the pages of a folder in the place of its `folder/*`."""
    root = Path(config.config_file_path).parent
    for source, target in outside_pages(root, config.extra["pages"]).items():
        files.append(File.generated(config, target, abs_src_path=str(root / source)))
    nav = config.nav or []
    paths = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = expanded(nav, [path for path in paths if path not in set(_leaves(nav))])
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Text of the page for Python's Markdown. Its links' processor learns which page it is."""
    for extension in config.markdown_extensions:
        if isinstance(extension, RepositoryLinks):
            extension.page = page.file.src_uri
    page.meta["search"] = {"boost": config.extra["search_boost"].get(page.file.src_uri, 1)}
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return with_wide_lists(markdown)


# -- pages and navigation ------------------------------------------------------------------------------


def outside_pages(root: Path, patterns: Mapping[str, str]) -> dict[str, str]:
    """Path of each page outside docs/ to its path in the site. A `*` stands for the same folder in both."""
    return {
        path.relative_to(root).as_posix(): target.replace("*", path.parent.name)
        for pattern, target in patterns.items()
        for path in sorted(root.glob(pattern))
    }


def expanded(nav: Nav, paths: list[str]) -> Nav:
    """Navigation with pages for each `folder/*`, without empty sections. `paths`: pages without a place."""
    found: Nav = []
    for entry in nav:
        if isinstance(entry, str):
            found += _pages_of(entry, paths)
        else:
            below = {
                title: expanded(part, paths) if isinstance(part, list) else part
                for title, part in entry.items()
            }
            found += [below] if any(below.values()) else []
    return found


def _pages_of(entry: str, paths: list[str]) -> list[str]:
    folder, _, name = entry.rpartition("/")
    if name != "*":
        return [entry]
    found = [path for path in paths if posixpath.dirname(path) == folder]
    return sorted(found, key=lambda path: posixpath.basename(path) not in ("index.md", "README.md"))


def _leaves(nav: Nav) -> Iterator[str]:
    for entry in nav:
        for part in [entry] if isinstance(entry, str) else entry.values():
            yield from _leaves(part) if isinstance(part, list) else [part]


def slug(heading: str, separator: str) -> str:
    """Anchor of a heading, as forges make it of the heading's text."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def with_wide_lists(markdown: str) -> str:
    """The text with lists as Python's Markdown needs them: a blank line before, contents indented by four.

    CommonMark, which forges speak, takes a list without a blank line, and contents below the item's text.
    """
    lines: list[str] = []
    columns: list[int] = []
    """Columns at which the text of the current item begins, and of those around it."""
    is_fenced = False
    for line in markdown.splitlines():
        indent = len(line) - len(line.lstrip())
        item = None if is_fenced else _ITEM.match(line)
        if line.strip() and not is_fenced:
            if item and not columns and lines and lines[-1].strip():
                lines.append("")
            while columns and indent < columns[-1]:
                columns.pop()
        outer = columns[-1] if columns else 0
        lines.append(" " * (4 * len(columns) + max(indent - outer, 0)) + line.lstrip())
        if item and indent - outer < 4:
            columns.append(len(item[0]))
        is_fenced ^= line.lstrip().startswith("```")
    return "\n".join(lines)


# -- links ---------------------------------------------------------------------------------------------


class RepositoryLinks(Extension):
    """Makes links between files of the repository links between pages, or links to its forge."""

    def __init__(self, root: Path, pages: Mapping[str, str], forge: str) -> None:
        super().__init__()
        self.root, self.pages, self.forge = root, pages, forge
        self.sources = {target: source for source, target in pages.items()}
        self.page = ""
        """Path of the current page in the site."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name is Markdown's
        # Before MkDocs' own processor, which has priority 0 and complains of what is left.
        md.treeprocessors.register(_Links(md, self), "repository_links", 5)

    def path(self, link: str) -> str:
        """Path from the root of the file that a link leads to; empty for this page and for other hosts."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or not parts.path:
            return ""
        source = self.sources.get(self.page, f"docs/{self.page}")
        return posixpath.normpath(posixpath.join(posixpath.dirname(source), parts.path))

    def target(self, link: str) -> str | None:
        """Link for the site, or None if the file is in the repository only and its forge is unknown."""
        path = self.path(link)
        if not path:
            return link
        anchor = link[link.index("#") :] if "#" in link else ""
        if path in self.pages or path.startswith("docs/"):
            inside = self.pages.get(path, path.removeprefix("docs/"))
            return posixpath.relpath(inside, posixpath.dirname(self.page) or ".") + anchor
        if not (self.root / path).exists():
            page = self.sources.get(self.page, self.page)
            log.warning(f"{page}: the link '{link}' leads to no file of the repository")
            return None
        return f"{self.forge}/{path}{anchor}" if self.forge else None

    def title(self, link: str) -> str:
        """First heading of the page that a link leads to; empty if it is no page."""
        path = self.root / self.path(link)
        if path.suffix != ".md" or not path.is_file():
            return ""
        found = re.search(r"^# (.+)$", path.read_text(), re.MULTILINE)
        return found[1] if found else ""


class _Links(Treeprocessor):
    def __init__(self, md: Markdown, links: RepositoryLinks) -> None:
        super().__init__(md)
        self.links = links

    def run(self, root: Element) -> None:
        for element in root.iter():
            key = {"a": "href", "img": "src"}.get(element.tag, "")
            if key and (link := element.get(key)):
                self._change(element, key, link)

    def _change(self, element: Element, key: str, link: str) -> None:
        # A forge shows files, so a link has the file's name there. A site shows pages, which have titles.
        if element.text and element.text.endswith(".md") and self.links.path(link).endswith(element.text):
            element.text = self.links.title(link) or element.text
        target = self.links.target(link)
        if target is None:
            element.tag = "span"
            del element.attrib[key]
        else:
            element.set(key, target)
