"""Configurations in YAML: read with `--set` changes, and written. A slip is named with its line."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pixelsmile.errors import InputError
from pixelsmile.limits import MAX_DEPTH, described, first_problem, key_advice, known_keys, read_text, shown
from pixelsmile.store.publication import write_file

MAX_YAML_BYTES = 64 * 1024  # PyYAML takes a second for that much
_MAX_CHANGE = 4096  # characters of a --set
_MAX_NAMED = 80  # of it, in a message

KeyPath = tuple[str, ...]
Location = tuple[int | str, ...]
C = TypeVar("C", bound=BaseModel)


def read_configuration(path: Path, kind: type[C], changes: Sequence[str] = ()) -> C:
    """The configuration in a YAML file, changed by `a.b=value` texts, whose values are YAML too.

    InputError names the file, the line, the key and the value of the first slip, and the nearest known key.
    """
    return parse_configuration(read_text(path, max_bytes=MAX_YAML_BYTES), str(path), kind, changes)


def parse_configuration(text: str, name: str, kind: type[C], changes: Sequence[str] = ()) -> C:
    """As `read_configuration`, of a text that errors call `name`."""
    document = _load(text, name)
    for change in changes:
        _change(document, change, kind)
    try:
        data = json.dumps(document.values)
    except (TypeError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise InputError(
            f"{name} holds a value that is neither text nor number ({error}): take it out"
        ) from None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise InputError(_refusal(error, document, name, kind)) from None


def configuration_text(config: BaseModel) -> str:
    """The configuration as YAML with every key; `parse_configuration` gives the same one back."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def write_configuration(config: BaseModel, path: Path) -> None:
    """Write `configuration_text`, whole or not at all, over what was there. OutputError."""
    write_file(path, configuration_text(config).encode(), force=True)


@dataclass(frozen=True)
class _Document:
    """Plain values, and where each was said: a file and line, or a `--set`."""

    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str | None:
        """Where it was said, or the nearest section around it."""
        ends = range(len(path), 0, -1)
        return next((self.places[path[:end]] for end in ends if path[:end] in self.places), None)


def _refusal(error: ValidationError, document: _Document, name: str, kind: type[BaseModel]) -> str:
    problem = first_problem(error)
    loc, choice = _said(problem["loc"], document.values)
    path, key = tuple(map(str, loc)), ".".join(map(str, loc))
    sentence = described({**problem, "loc": loc}, kind)
    if choice and problem["type"] == "extra_forbidden" and key in known_keys(kind):
        sentence = f"unknown key {key}: {choice} has no such setting, leave it out"
    if problem["type"] == "missing" and sentence.endswith("add it"):
        key = sentence.partition(" ")[0]
        return f"{name}: {sentence}, or give it with --set {key}=..."
    return f"{document.place(path) or name}: {sentence}"


def _said(loc: Location, values: Any) -> tuple[Location, str | None]:
    """Where an error lies among the keys that were said, and the choice that it is about, if any.

    Of sections of several kinds (`control`, by its method), pydantic puts the kind among the keys.
    """
    found, choice = list[int | str](), None
    for place, part in enumerate(loc):
        is_last = place == len(loc) - 1
        if isinstance(values, dict) and part not in values and not is_last:
            choice = str(part)
            continue
        found.append(part)
        values = values.get(part) if isinstance(values, dict) else None
    return tuple(found), choice


def _load(text: str, name: str) -> _Document:
    """The values of a YAML text and the line of each. InputError for bad YAML, and for a key said twice."""
    try:
        _check_events(text, name)
        loader = _Loader(text)
        node = loader.get_single_node()
        places = dict(_places(node, (), name))
        values = loader.construct_document(node) if node else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{name}{line}: not YAML ({reason}): correct it") from None
    except (ValueError, ArithmeticError) as error:  # 0x_, a number that no float holds
        raise InputError(f"{name} holds what cannot be read ({error}): correct it") from None
    if not isinstance(values, dict):
        raise InputError(f"{name} is {shown(values)}, not keys with values: write one `key: value` a line")
    return _Document(values, places)


def _check_events(text: str, name: str) -> None:
    """InputError for what makes little text large or slow, or a value of another kind than plain."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        where = f"{name}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise InputError(f"{where} uses YAML anchors (& and *): write the values out")
        if getattr(event, "tag", None) is not None:
            raise InputError(f"{where} uses a YAML tag ({shown(event.tag)}): write the value without it")
        if depth > MAX_DEPTH:
            raise InputError(f"{where} has more than {MAX_DEPTH} lists and sections in one another")


def _places(node: yaml.Node | None, path: KeyPath, name: str) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            where = f"{name}, line {key.start_mark.line + 1}"
            if not (isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str"):
                raise InputError(
                    f"{where}: {shown(getattr(key, 'value', key))} is no key: put it in quotes or take it out"
                )
            if key.value in seen:
                twice = shown(".".join((*path, key.value)))
                raise InputError(f"{where}: {twice} is given twice: take one out")
            seen.add(key.value)
            yield (*path, key.value), where
            yield from _places(value, (*path, key.value), name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, str(index)), f"{name}, line {item.start_mark.line + 1}"
            yield from _places(item, (*path, str(index)), name)


def _change(document: _Document, change: str, kind: type[BaseModel]) -> None:
    """Set one value in place. InputError where the text is no `key=value`."""
    key, equals, text = change.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path) or len(path) > MAX_DEPTH or len(change) > _MAX_CHANGE:
        raise InputError(f"--set {shown(change)} changes nothing: write it like --set section.key=value")
    section = document.values
    for name in path[:-1]:
        if section.get(name) is None:
            section[name] = {}
        section = section[name]
        if not isinstance(section, dict):
            raise InputError(f"{_named(change)}: {shown(name)[1:-1]} is no section: {key_advice(key, kind)}")
    section[path[-1]] = _value(text, change)
    document.places[path] = _named(change)
    for end in range(1, len(path)):
        document.places.setdefault(path[:end], _named(change))


def _value(text: str, change: str) -> Any:
    wrapped = _load("value: " + text.strip(), _named(change))
    if set(wrapped.values) != {"value"}:
        raise InputError(f"{_named(change)}: more than one value: give each its own --set")
    return wrapped.values["value"]


def _named(change: str) -> str:
    return f"--set {change if change.isprintable() and len(change) <= _MAX_NAMED else shown(change)}"


# The dialect of YAML.

_FLOAT, _TIMESTAMP = "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"

_LINE_ENDS = {"\x85", "\u2028", "\u2029"}  # of Unicode: PyYAML folds them unless they are escaped


class _Loader(yaml.SafeLoader):
    """Dates stay words; 1e-4, a word in YAML 1.1, is a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # its type is PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back alike, lists on one line."""


yaml.add_implicit_resolver(
    _FLOAT, re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789"), Loader=_Loader, Dumper=_Dumper
)
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if _LINE_ENDS & set(text) else None
    ),
)
_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)
