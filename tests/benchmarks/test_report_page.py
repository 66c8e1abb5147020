"""Pages: what comes from files stays text, and a page loads and runs nothing but its own script."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.benchmarks.report.page import render
from pixelsmile.results.page import data_uri

# A parser turns carriage returns into line ends, and drops what HTML knows no character for.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)


class Seen(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def needs_nothing(page: str) -> None:
    """Fails where a page loads anything, runs anything, or has an attribute that would."""
    for name, attributes in Seen(page).tags:
        assert name not in ("link", "iframe", "object", "base", "form")
        assert name != "script" or attributes["type"] == "application/json"
        assert attributes.get("src", "data:image/webp;base64,").startswith("data:image/webp;base64,")
        assert attributes.get("href", "#").startswith("#")
        assert "onerror" not in attributes
    assert "@import" not in page
    assert "url(" not in page


def document(title="a page", data=None, script="", body="", style=""):
    return render("document.html", title, data or {}, script, body=body, style=style)


@given(TEXT, TEXT)
def test_any_text_comes_back_as_text(title, body):
    seen = Seen(document(title=title, body=body))
    assert [name for name, _ in seen.tags] == ["html", "head", *4 * ["meta"], "title", "style", "body"]
    assert title in seen.text
    assert body in seen.text


@given(TEXT | st.floats(allow_nan=False, allow_infinity=False) | st.lists(TEXT))
def test_json_in_a_page_cannot_end_its_block(value):
    page = document(data={"numbers": {"value": value, "bad": "</script><script>alert(1)</script>"}})
    (inner,) = re.findall('<script type="application/json" id="numbers">(.*?)</script>', page, re.DOTALL)
    assert not set("<>&") & set(inner)
    assert json.loads(inner)["value"] == value


def test_a_page_may_load_nothing_and_run_its_own_script_alone():
    script = "document.title = 'run';"
    page = document("a <title>", script=script)
    policy = next(
        a["content"] for t, a in Seen(page).tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert f"<script>{script}</script>" in page
    assert "<title>a &lt;title&gt;</title>" in page
    assert "script-src" not in document()


def test_the_name_of_a_file_that_is_no_text_is_escaped():
    page = document("run\udcff", data={"numbers": {"name": "run\udcff"}})
    assert "<title>run\\xff</title>" in page
    assert json.loads(re.search(r'id="numbers">(.*?)</script>', page)[1]) == {"name": "run\\xff"}


def test_pictures_are_small_and_carry_nothing_but_pixels(tmp_path):
    image = Image.new("RGB", (640, 320), "red")
    image.info["comment"] = "made by the secret editor"
    uri = data_uri(image, 160)
    data = base64.b64decode(re.fullmatch(r"data:image/webp;base64,(.*)", uri)[1])
    (tmp_path / "a.webp").write_bytes(data)
    with Image.open(tmp_path / "a.webp") as found:
        assert found.size == (160, 80)
        assert found.convert("RGB").getpixel((10, 10))[0] > 245
    assert b"secret" not in data
