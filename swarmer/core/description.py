"""Reader of servers.yml: returns the cluster, or every mistake with its line.

The rules are in `cluster` and `sections`. The reader accepts a safe subset of YAML without tags, anchors and
aliases. Plain scalars are null, true, false and decimal numbers as in YAML 1.2. All others are text: `no` and
`010` for example.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from swarmer.core import account_rules, existing_vpc
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.sections import BrokenRule, Healing, Image, Key, Model, Network, Registrator, Registry
from swarmer.core.validation import InvalidValue, listed, shown

LIMIT_BYTES: Final = 64 * 1024
"""Largest size of the file, in bytes."""
LIMIT_DEPTH: Final = 8
"""Largest depth of nested mappings and lists; a description needs four levels."""
PLAIN_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""Values of plain scalars in the core schema of YAML 1.2."""
MAY_BE_NULL: Final[frozenset[Key]] = frozenset({("registry", "bucket")})
"""Keys that accept null."""
ENTRY_RULES: Final[dict[Key, Callable[[str, object], None]]] = {
    ("tags",): account_rules.tag,
    ("network", "subnets"): existing_vpc.subnet,
}
"""Keys whose values are mappings with free keys, with the check of one entry."""
GROUP_KEYS: Final = tuple(key for key in Group.model_fields if key != "name")
"""Keys below a group's name."""

Section = TypeVar("Section", Network, Image, Registry, Registrator, Healing)
Entries = dict[str, yaml.Node]


@dataclass(frozen=True)
class Problem:
    """One mistake. `str()` is one line: `servers.yml:12: groups.core.size: 4 is even; take 1, 3, 5 …`."""

    file: str
    line: int
    """Number of the line, from 1; 0: the file as a whole."""
    key: str
    """Dotted key, for example `groups.core.size`; "": no particular key."""
    message: str
    """Description of the problem."""
    advice: str
    """Remedy, in imperative mood."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        line = ": ".join(filter(None, (place, self.key, f"{self.message}; {self.advice}")))
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class Invalid(Exception):
    """Error for an invalid description. `problems`: all mistakes, sorted by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def load(path: Path) -> Cluster:
    """The cluster that the file describes. Raises Invalid if it is unreadable, no YAML, or breaks a rule."""
    return parse(_read(path), str(path))


def parse(text: str, file: str = "servers.yml") -> Cluster:
    """The cluster that the text describes. `file`: the name in problems. Raises Invalid."""
    draft = _Draft(file)
    cluster = draft.cluster(_compose(text, file))
    if draft.problems:
        raise Invalid(draft.problems)
    # Rules about an existing VPC depend on the given keys.
    return Cluster.model_validate(cluster.model_dump(exclude_unset=True))


def invalid(path: Path, broken: Iterable[BrokenRule]) -> Invalid:
    """The error for rules that a valid file breaks, each with its line."""
    draft = _Draft(str(path))
    draft.cluster(_compose(_read(path), str(path)))
    for rule in broken:
        draft.add(rule.key, rule.message, rule.advice)
    return Invalid(draft.problems)


def _read(path: Path) -> str:
    try:
        data = _bytes(path)
        return data.decode("utf-8-sig")
    except InvalidValue as invalid:
        raise Invalid([Problem(str(path), 0, "", invalid.message, invalid.advice)]) from None
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise Invalid([Problem(str(path), line, "", "not UTF-8", "save the file as UTF-8 text")]) from exc
    except (OSError, ValueError) as exc:  # ValueError: a path that no file can have
        reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
        advice = "name a file that you may read"
        raise Invalid([Problem(str(path), 0, "", f"cannot be read: {reason}", advice)]) from exc


def _bytes(path: Path) -> bytes:
    """Content of a regular file, at most LIMIT_BYTES. Pipes and devices may never end."""
    if not path.is_file():
        what = "a directory" if path.is_dir() else "no regular file"
        raise InvalidValue(
            f"is {what}" if path.exists() else "does not exist", "name a file like servers.yml"
        )
    with path.open("rb") as stream:
        data = stream.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise InvalidValue(f"is larger than {LIMIT_BYTES // 1024} KiB", "take out what describes no cluster")
    return data


# -- from text to YAML nodes ----------------------------------------------------------------


def _compose(text: str, file: str) -> yaml.MappingNode:
    """Root of the only document, limited in depth and without aliases. Raises Invalid."""
    try:
        if odd := _oddity(text, file):
            raise Invalid([odd])
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as exc:
        raise Invalid([_yaml_problem(exc, text, file)]) from exc
    except (ValueError, OverflowError) as exc:  # PyYAML lets them through from escapes such as "\UFFFFFFFF"
        advice = "write characters as they are, without escapes"
        raise Invalid([Problem(file, 0, "", f"not YAML: {exc}", advice)]) from exc
    if not isinstance(root, yaml.MappingNode):
        what = f"{shown(_plain(root))} is not a mapping" if root else "the file is empty"
        line = _line(root) if root else 0
        raise Invalid([Problem(file, line, "", what, "write keys and values, see docs/reference/servers.md")])
    return root


def _oddity(text: str, file: str) -> Problem | None:
    """First problem that must not reach `yaml.compose`: that function recurses and expands aliases."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = _line(event)
        if depth > LIMIT_DEPTH:
            return Problem(file, line, "", "is nested too deeply", "a description has four levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            advice = "write the value out, or put it in quotes"
            return Problem(file, line, "", "anchors (&) and aliases (*) are not used here", advice)
        if getattr(event, "tag", None):
            advice = "take the tag out, or put the value in quotes"
            return Problem(file, line, "", "tags (!) are not used here", advice)
    return None


def _line(marked: yaml.Node | yaml.Event) -> int:
    """Line number of a mark, from 1; 0 if PyYAML gives no mark."""
    return marked.start_mark.line + 1 if marked.start_mark else 0


def _yaml_problem(exc: yaml.YAMLError, text: str, file: str) -> Problem:
    advice = "check the colons, quotes, brackets and indentation here and in the line above"
    if isinstance(exc, yaml.reader.ReaderError):
        line = text.count("\n", 0, exc.position) + 1
        return Problem(file, line, "", "not YAML: it holds a control character", "delete it")
    if not isinstance(exc, yaml.MarkedYAMLError) or exc.problem_mark is None:
        return Problem(file, 0, "", "not YAML", advice)
    message = exc.problem or exc.context or "unreadable"
    if "'\\t'" in message:
        message, advice = "a tab here", "YAML indents with spaces only"
    elif exc.context == "expected a single document in the stream":
        message, advice = "a second document begins", "describe one cluster per file and take --- out"
    return Problem(file, exc.problem_mark.line + 1, "", f"not YAML: {message}", advice)


def _plain(node: yaml.Node) -> Any:
    """The Python value of a node: dict, list, str, int, bool or None."""
    if isinstance(node, yaml.MappingNode):
        return {}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    text = _text(node)
    if getattr(node, "style", None):  # quoted
        return text
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,99})", text) else PLAIN_WORDS.get(text, text)


def _text(node: yaml.Node) -> str:
    """The text of a scalar as it was written; quotes are no part of it."""
    return str(node.value)


def _check(model: type[Model], field: str, value: object) -> Any:
    """The value as the field holds it, after only the field's own validators. Raises InvalidValue."""
    for rule in model.model_fields[field].metadata:
        value = rule.func(value)
    return value


# -- from YAML nodes to a cluster -------------------------------------------------------------


class _Draft:
    """Collector: valid values become a cluster, invalid ones become problems."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Key, int] = {(): 1}
        self._broken: set[Key] = set()
        """Keys with an invalid value. Problems of rules that combine them with others are not reported."""
        self.problems: list[Problem] = []

    def cluster(self, root: yaml.MappingNode) -> Cluster:
        """The cluster, with defaults in place of invalid values."""
        entries = self._entries(root, (), tuple(Cluster.model_fields))
        draft = Cluster.model_construct(
            **self._values(Cluster, entries, (), ("name", "domain", "tags", "permissions_boundary")),
            network=self._section(Network, entries, ("network",)),
            image=self._section(Image, entries, ("image",)),
            registry=self._section(Registry, entries, ("registry",)),
            registrator=self._section(Registrator, entries, ("registrator",)),
            healing=self._section(Healing, entries, ("healing",)),
            groups=self._groups(entries),
        )
        for rule in chain(*(group.broken_rules() for group in draft.groups), draft.broken_rules()):
            if not rule.needs & self._broken:
                self.add(rule.key, rule.message, rule.advice)
        return draft

    def _section(self, model: type[Section], entries: Entries, key: Key) -> Section:
        keys = tuple(model.model_fields)
        own = self._entries(entries[key[-1]], key, keys) if key[-1] in entries else {}
        return model.model_construct(**self._values(model, own, key, keys))

    def _groups(self, entries: Entries) -> tuple[Group, ...]:
        key = ("groups",)
        if key[0] in entries:
            own = self._entries(entries[key[0]], key, ())
            return tuple(self._group(node, (*key, name)) for name, node in own.items())
        if key not in self._broken:
            self.add(key, "is missing", "describe at least one group")
            self._broken.add(key)
        return ()

    def _group(self, node: yaml.Node, key: Key) -> Group:
        try:
            _check(Group, "name", key[-1])
        except InvalidValue as invalid:
            self.add(key, invalid.message, invalid.advice)
        entries = self._entries(node, key, GROUP_KEYS)
        values = {"roles": frozenset(), **self._values(Group, entries, key, GROUP_KEYS)}
        if "roles" not in entries and (*key, "roles") not in self._broken:
            self.add((*key, "roles"), "is missing", f"write roles: [{', '.join(Role)}], or some of them")
            self._broken.add((*key, "roles"))
        return Group.model_construct(name=key[-1], **values)

    def _entries(self, node: yaml.Node, key: Key, known: tuple[str, ...]) -> Entries:
        """Values by key. `known`: the allowed keys, () for any. A node that is no mapping breaks all keys."""
        if not isinstance(node, yaml.MappingNode):
            what = "has no value" if _plain(node) is None else f"{shown(_plain(node))} is not a mapping"
            self.add(key, what, "write keys below it, or take it out")
            self._broken.update([key, *((*key, name) for name in known)])
            return {}
        entries: Entries = {}
        for name_node, value in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else shown(_plain(name_node))
            line = _line(name_node)
            if name in entries:
                problem = f"duplicate key, first on line {self._lines[*key, name]}"
                self.add((*key, name), problem, "keep one of them", line)
                continue
            self._lines[*key, name] = line
            if known and name not in known:
                self._add_unknown((*key, name), known)
            else:
                entries[name] = value
        return entries

    def _values(self, model: type[Model], entries: Entries, key: Key, names: Iterable[str]) -> dict[str, Any]:
        """Valid values of the named keys. An invalid value becomes a problem."""
        values = {}
        for name in filter(entries.__contains__, names):
            try:
                values[name] = self._value(model, entries[name], (*key, name))
            except InvalidValue as invalid:
                self.add((*key, name), invalid.message, invalid.advice)
                self._broken.add((*key, name))
        return values

    def _value(self, model: type[Model], node: yaml.Node, key: Key) -> Any:
        value = self._pairs(node, key) if key in ENTRY_RULES else _plain(node)
        if value is None and key not in MAY_BE_NULL:
            raise InvalidValue("has no value", "write one, or take the line out")
        return _check(model, key[-1], value)

    def _pairs(self, node: yaml.Node, key: Key) -> Any:
        """Valid entries of a mapping with free keys; invalid entries become problems. Other nodes are plain
        values.

        Numbers and truth values are text here, because tags have no other values.
        """
        if not isinstance(node, yaml.MappingNode):
            return _plain(node)
        found: dict[str, Any] = {}
        for name, each in self._entries(node, key, ()).items():
            try:
                found[name] = self._entry(key, name, each)
            except InvalidValue as invalid:
                self.add((*key, name), invalid.message, invalid.advice)
                self._broken.add(key)
        return found

    def _entry(self, key: Key, name: str, node: yaml.Node) -> Any:
        value = _plain(node)
        if value is None:
            raise InvalidValue("has no value", "write one, or take the line out")
        value = _text(node) if isinstance(node, yaml.ScalarNode) else value
        ENTRY_RULES[key](name, value)
        return value

    def _add_unknown(self, key: Key, known: tuple[str, ...]) -> None:
        near = get_close_matches(key[-1], known, n=1)
        self._broken.update((*key[:-1], name) for name in near)
        advice = f"did you mean {near[0]}?" if near else f"take {listed(known, most=len(known))}"
        self.add(key, "unknown key", advice)

    def add(self, key: Key, message: str, advice: str, line: int | None = None) -> None:
        """Add a problem, at the line of its key, or of the nearest parent key in the file."""
        at = next(key[:end] for end in range(len(key), -1, -1) if key[:end] in self._lines)
        dotted = ".".join(part if len(part) <= 60 else f"{part[:57]}..." for part in key)
        self.problems.append(Problem(self._file, line or self._lines[at], dotted, message, advice))
