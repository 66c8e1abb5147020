"""`pixelsmile triplets check`: what a file holds, and what is wrong with it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pixelsmile.cli import main


def line(number: int = 0, **source: Any) -> dict[str, Any]:
    """A line of the reference, with nothing of ours."""
    return {
        "src": {"image": "s.png", **source},
        "dst": [
            {"image": f"{number}a.png", "category": "fear", "scores": {"fear": 0.25}},
            {"image": f"{number}b.png", "category": "surprised", "scores": {"surprised": 0.75}},
        ],
    }


def write(name: str, *lines: Any) -> None:
    Path(name).write_text(
        "".join(f"{text if isinstance(text, str) else json.dumps(text)}\n" for text in lines)
    )


@pytest.fixture
def pictures():
    for name in ("s.png", "0a.png", "0b.png"):
        Image.new("RGB", (64, 64)).save(name)


def test_a_file_of_the_reference_is_described(pictures, capsys):
    write("t.jsonl", line(), line())
    assert main(["triplets", "check", "t.jsonl"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "t.jsonl: 2 triplets (2 human) of people that are not named, 3 pictures",
        "",
        "pair            triplets   share",
        "fear-surprised         2  100.0%",
        "",
        "strength of  targets  least  25 %  median  75 %  most",
        "fear               2   0.25  0.25    0.25  0.25  0.25",
        "surprised          2   0.75  0.75    0.75  0.75  0.75",
        "all                4   0.25  0.25    0.50  0.75  0.75",
        "",
        "face boxes: in none of the 4 targets",
        "landmarks: in none of the 4 targets; where the identity term is on, pixelsmile train finds them "
        "with a face detector",
        "  (data.detector: embedded for drawn portraits, else what `pixelsmile models list` shows)",
    ]
    assert err == ""


def test_triplets_with_instructions_are_described(pictures, capsys):
    rest = {"image": "0b.png", "category": "neutral", "scores": {}}
    told = {"src": {"image": "s.png"}, "instruction": "Let the whole face rest."}
    fear = {"src": {"image": "s.png"}, "dst": line()["dst"][:1], "instruction": "Be afraid."}
    write("t.jsonl", {**told, "dst": [rest]}, fear, fear)
    assert main(["triplets", "check", "t.jsonl", "--open"]) == 0
    assert capsys.readouterr().out.splitlines()[:7] == [
        "t.jsonl: 3 triplets (3 human) of people that are not named, 3 pictures",
        "",
        "2 instructions, of 2 to 5 words, one target each",
        "",
        "strength of  targets  least  25 %  median  75 %  most",
        "fear               2   0.25  0.25    0.25  0.25  0.25",
        "neutral            1   0.00  0.00    0.00  0.00  0.00",
    ]


def test_people_domains_and_knowledge_of_faces_are_told(pictures, capsys):
    known = line()
    points = [[20, 20], [40, 20], [30, 30], [22, 40], [38, 40]]
    known["dst"][0] |= {"boxes": [1, 2, 30, 40], "landmarks": points}
    write("t.jsonl", {**known, "identity": "p", "domain": "anime"}, line())
    assert main(["triplets", "check", "t.jsonl", "--open"]) == 0
    out = capsys.readouterr().out
    assert "2 triplets (1 anime, 1 human) of 1 person and 1 triplet without a name, 3 pictures" in out
    assert "face boxes: in 1 of 4 targets" in out
    assert (
        "landmarks: in 1 of 4 targets; where the identity term is on, pixelsmile train finds the others"
        in out
    )
    assert main(["triplets", "check", "t.jsonl", "--domain", "anime", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)["files"]
    assert (record["file"], record["faults"], record["domains"]) == ("t.jsonl", [], {"anime": 2})
    assert record["strengths"]["all"]["quartiles"] == [0.25, 0.25, 0.5, 0.75, 0.75]


def test_drawn_triplets_are_complete(capsys):
    assert main(["triplets", "draw", "-n", "2", "--size", "32", "--workers", "1", "-o", "d", "-q"]) == 0
    capsys.readouterr()
    assert main(["triplets", "check", "d/triplets.jsonl", "--open"]) == 0
    out = capsys.readouterr().out
    assert "2 triplets (1 human, 1 anime) of 2 people, 6 pictures" in out
    assert out.endswith("face boxes: in all 4 targets\nlandmarks: in all 4 targets\n")


def test_the_first_faulty_line_of_each_file_is_told_and_the_rest_described(pictures, capsys):
    wrong = line()
    wrong["dst"][1]["category"] = "fear"
    write("bad.jsonl", line(), wrong, "{", line())
    write("good.jsonl", line())
    assert main(["triplets", "check", "bad.jsonl", "good.jsonl"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("good.jsonl: 1 triplet ")
    assert err.startswith("pixelsmile: 'bad.jsonl', line 2: ")
    assert err.endswith("; 2 lines are wrong in all\n")
    assert err.count("\n") == 1
    assert main(["triplets", "check", "bad.jsonl", "--json"]) == 1
    out, err = capsys.readouterr()
    (record,) = json.loads(out)["files"]
    assert record["faults"][0] in err
    assert "num_triplets" not in record


def test_missing_pictures_are_a_fault_and_the_triplets_are_described_all_the_same(pictures, capsys):
    write("t.jsonl", line(), "", line(1))
    assert main(["triplets", "check", "t.jsonl"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("t.jsonl: 2 triplets")
    assert "2 of the 5 pictures named in 't.jsonl' are missing, the first is '1a.png' (line 3)" in err
    assert err.count("\n") == 1


def test_pictures_are_opened_when_asked(pictures, capsys):
    Path("0a.png").write_bytes(b"no picture")
    write("t.jsonl", line(boxes=[100, 100, 200, 200]))
    assert main(["triplets", "check", "t.jsonl"]) == 0
    capsys.readouterr()
    assert main(["triplets", "check", "t.jsonl", "--open"]) == 1
    err = capsys.readouterr().err
    assert "the face box (100.0, 100.0, 200.0, 200.0) of 's.png' lies outside of its 64 x 64 pixels" in err
    assert err.endswith("; 2 pictures are wrong in all\n")


def test_another_root_is_for_looking_only(pictures, capsys):
    Path("lines").mkdir()
    write("lines/t.jsonl", line())
    assert main(["triplets", "check", "lines/t.jsonl", "-q"]) == 1
    capsys.readouterr()
    assert main(["triplets", "check", "lines/t.jsonl", "--root", "."]) == 0
    assert "pixelsmile train takes paths relative to the file's own folder" in capsys.readouterr().err


def test_many_pairs_are_summed_up(pictures, capsys):
    names = ("fear", "surprised", "angry", "disgust", "happy", "sad", "shy")
    lines = []
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            lines.append(line())
            for target, name in zip(lines[-1]["dst"], (first, second), strict=True):
                target.update(category=name, scores={name: 0.5})
    write("t.jsonl", *lines)
    assert main(["triplets", "check", "t.jsonl"]) == 0
    assert re.search(r"\n9 other pairs +9  42\.9%\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl"], "there is no file 'none.jsonl': check the path"),
        ([], "required: FILE"),
        (["t.jsonl", "--opn"], "did you mean --open?"),
        (["t.jsonl", "--domain", "hunan"], "did you mean human?"),
    ],
)
def test_refusals_are_one_line(arguments, said, capsys):
    assert main(["triplets", "check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)
