"""Markup: what comes from files stays text, and a page loads and runs nothing."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.benchmarks.report.html import Html, document, join, json_block, tag
from pixelsmile.benchmarks.report.pictures import data_uri

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


@given(TEXT, TEXT)
def test_any_text_comes_back_as_text(child, attribute):
    seen = Seen(tag("p", child, title=attribute))
    assert seen.tags == [("p", {"title": attribute})]
    assert seen.text == child


def test_attributes_and_children():
    assert tag("td", 3, None, tag("b", "x"), class_="n", aria_label="a", hidden=True, title=None) == (
        '<td class="n" aria-label="a" hidden>3<b>x</b></td>'
    )
    assert tag("img", src="a", alt="") == '<img src="a" alt="">'
    assert join(("<", Html("<br>"))) == "&lt;<br>"


@given(TEXT | st.floats(allow_nan=False, allow_infinity=False) | st.lists(TEXT))
def test_json_in_a_page_cannot_end_its_block(value):
    block = json_block("numbers", {"value": value, "bad": "</script><script>alert(1)</script>\u2028"})
    inner = block.removeprefix('<script type="application/json" id="numbers">').removesuffix("</script>")
    assert not set("<>&\u2028") & set(inner)
    assert json.loads(inner)["value"] == value


def test_a_page_may_load_nothing_and_run_its_own_script_alone():
    script = "document.title = 'run';"
    page = document("a <title>", Html("<main></main>"), domains=["p{}"], script=script)
    policy = next(
        a["content"] for t, a in Seen(page).tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert "<title>a &lt;title&gt;</title>" in page
    assert "script-src" not in document("x", Html(""), domains=[])


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
