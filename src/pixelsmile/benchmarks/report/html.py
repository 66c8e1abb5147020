"""Pages that stand alone: markup that escapes what it is given, and everything inside one file."""

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from importlib import resources

from pixelsmile.utf8 import escaped, recordable


class Html(str):
    """Markup that goes into a page as it is; any other text is escaped on its way."""

    __slots__ = ()


Child = str | int | float | None
Attribute = str | int | float | bool | None

_VOID = ("br", "img", "input", "link", "meta")
_NO_NETWORK = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. `class_` is written class, `aria_label` aria-label; None and False leave one out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """One after the other; what is not markup is escaped."""
    return Html("".join(_child(child) for child in children))


def json_block(identifier: str, value: object) -> Html:
    """`value` as JSON that scripts and people can read out of the page; it never runs."""
    text = json.dumps(recordable(value), ensure_ascii=False, allow_nan=False)
    for letter in "<>&\u2028\u2029":  # so that no content can end the block
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return tag("script", Html(text), type="application/json", id=identifier)


def document(title: str, body: Html, *, styles: Iterable[str], script: str | None = None) -> str:
    """A whole page. It may load nothing, and run nothing but `script`: the browser is told so."""
    policy = _NO_NETWORK
    if script is not None:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    head = join(
        (
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", title),
            tag("style", Html("\n".join(styles))),
        )
    )
    end = Html("") if script is None else tag("script", Html(script))
    page = tag("html", tag("head", head), tag("body", body, end), lang="en")
    return escaped(f"<!doctype html>\n{page}\n")


def package_text(package: str, file: str) -> str:
    """A style sheet or a script that lies beside our code."""
    return (resources.files(package) / file).read_text(encoding="utf-8")


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else html.escape(str(child))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
