"""Sentences of pages and of Python modules, with their places. Code and headings of pages are left out."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_CODE: Final = "`x`"
"""Stand-in for code in a sentence: one word, whatever the code is."""
_END: Final = re.compile(r"(?<=[.!?])[\"')*\]]*\s+(?=[\"'(*\[`A-Z0-9])|\s*\n\s*(?=[-*] )|\n\s*\n")
"""End of a sentence. The item of a list ends one, too: a list is no sentence."""
_PREFORMATTED: Final = re.compile(r"^\x08\n.*?(?=^\s*$|\Z)", re.MULTILINE | re.DOTALL)
r"""Paragraph that click prints as it is, because it begins with `\b`: a table or commands, no prose."""
_ABBREVIATION: Final = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|no|approx)\.$", re.IGNORECASE)
_QUOTE: Final = re.compile(r'"[^"]+ [^"]+ [^"]+ [^"]+"|“[^”]+ [^”]+ [^”]+ [^”]+”')
"""Words of somebody else, which are not ours to change: four or more between quotation marks."""
_SECTION: Final = re.compile(r"^(Default|Rule|Raises|Returns?|Args): ", re.MULTILINE)


@dataclass(frozen=True)
class Sentence:
    path: Path
    line: int
    """Number of the paragraph's first line, from 1."""
    text: str
    kind: str
    """One of `page`, `docstring`, `comment`, `message`."""

    @property
    def words(self) -> list[str]:
        return re.findall(r"[A-Za-z0-9`][\w`'’.:/%-]*", self.text)


def split(text: str) -> list[str]:
    """Sentences of a paragraph. A colon before a list ends one; an abbreviation does not."""
    found: list[str] = []
    at = 0
    for end in _END.finditer(text):
        part = text[at : end.start()]
        if _ABBREVIATION.search(part):
            continue
        found.append(part)
        at = end.end()
    return [" ".join(each.split()) for each in (*found, text[at:]) if each.strip()]


# -- pages ---------------------------------------------------------------------------------------------


def of_page(path: Path) -> list[Sentence]:
    """Sentences of a page. Each table cell and each list item ends a sentence."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text())
    return [
        Sentence(path, line, text, "page")
        for line, paragraph in _paragraphs(tokens)
        for text in split(paragraph)
        if re.search(r"[A-Za-z]{2}", text.replace(_CODE, ""))
    ]


def _paragraphs(tokens: list[Token]) -> Iterator[tuple[int, str]]:
    is_heading, line = False, 1
    for token in tokens:
        is_heading = token.type == "heading_open" or (is_heading and token.type != "heading_close")
        line = token.map[0] + 1 if token.map else line
        if token.type == "inline" and not is_heading:
            text = "".join(_text(child) for child in token.children or [])
            yield line, _QUOTE.sub(_CODE, text)


def _text(token: Token) -> str:
    if token.type == "code_inline":
        return _CODE
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type == "text" else ""


# -- Python --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Docstring:
    path: Path
    line: int
    owner: str
    """Name of the module, class, function, constant or field that it describes."""
    text: str


def of_module(path: Path) -> list[Sentence]:
    """Sentences of docstrings, comments and messages."""
    source = path.read_text()
    tree = ast.parse(source)
    found = [
        Sentence(path, each.line, text, "docstring")
        for each in docstrings(path, tree)
        for text in split(_SECTION.sub("\n\n", _without_code(each.text)))
    ]
    found += [
        Sentence(path, line, text, "comment") for line, each in _comments(source) for text in split(each)
    ]
    found += [Sentence(path, line, text, "message") for line, each in _messages(tree) for text in split(each)]
    return found


def docstrings(path: Path, tree: ast.Module) -> list[Docstring]:
    """Docstrings of the module, and of everything in it: constants and fields have theirs below them."""
    found: list[Docstring] = []
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for before, each in zip([None, *body], body, strict=False):
            text = _lone_text(each)
            if text and (owner := _owner(node, before)):
                found.append(Docstring(path, each.lineno, owner, text))
    return found


def _lone_text(node: ast.AST) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return re.sub(rf"^ {{{node.col_offset}}}", "", node.value.value, flags=re.MULTILINE)
    return ""


def _owner(parent: ast.AST, before: ast.AST | None) -> str:
    if isinstance(before, ast.Assign):
        return ast.unparse(before.targets[0])
    if isinstance(before, ast.AnnAssign):
        return ast.unparse(before.target)
    if before is None:
        return str(getattr(parent, "name", "module"))
    return ""


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Each run of comment lines as one text."""
    held: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or re.match(r"# (noqa|type:|nosec|--)|#!", token.string):
            continue
        if token.start[0] != last + 1 and held:
            yield first, _without_code("\n".join(held))
            held = []
        first, last = (first if held else token.start[0]), token.start[0]
        held.append(token.string.lstrip("# "))
    if held:
        yield first, _without_code("\n".join(held))


def _messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Texts of at least four words that are no docstrings: errors, alarms, log lines, progress, help."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(each) for each in ast.walk(node) if each is not node)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(each.value) if isinstance(each, ast.Constant) else _CODE for each in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if is_prose(text):
            yield node.lineno, _without_code(text)


def is_prose(text: str) -> bool:
    """Whether a text in code is for people: four words in a row, and no program, pattern or data."""
    if re.search(
        r"[{}=<>|\\]|;(?! )|^\s*#|\$\(|--\w+ \w+ --|^\s*(select|import|def) ",
        text.replace(_CODE, ""),
        re.MULTILINE,
    ):
        return False
    return bool(re.search(r"(\b[a-z][a-z']+,? ){3}[a-z]", text))


def _without_code(text: str) -> str:
    """A docstring or comment without indented examples. A stand-in replaces text in backquotes."""
    text = _PREFORMATTED.sub("", text)
    kept = ["" if line.startswith("    ") else line for line in text.expandtabs().splitlines()]
    return re.sub(r"`+[^`]+`+", _CODE, "\n".join(kept))
