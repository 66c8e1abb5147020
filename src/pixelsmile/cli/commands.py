"""Every command by what is typed, how the one that is asked for is found, and the help about all of them."""

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pixelsmile.cli.parsing import CommandParser, is_asking, nearest
from pixelsmile.errors import InputError

ASKS = ("-h", "--help", "help")


@dataclass(frozen=True)
class Command:
    """entry: `module` or `module:function` of `pixelsmile.cli`; the function, `parser` where none is named,
    gives the parser. Only the module of the command that is asked for is loaded.
    """

    entry: str
    summary: str

    def run(self, words: Sequence[str]) -> int:
        """Its exit code. InputError for words that it does not take."""
        name, _, function = self.entry.partition(":")
        module = importlib.import_module(f"pixelsmile.cli.{name}")
        parser: CommandParser = getattr(module, function or "parser")()
        if is_asking():
            from pixelsmile.cli.completion import offer_arguments

            offer_arguments(parser, len(words))
        options = parser.parse_args(words)
        if getattr(options, "quiet", False):
            logging.getLogger("pixelsmile").setLevel(logging.ERROR)
        return parser.run(options)


@dataclass(frozen=True)
class Group:
    """Commands whose names begin alike. line: in the list above it. remarks: below the list of its own."""

    line: str
    summary: str
    examples: Sequence[str]
    remarks: Sequence[str] = ()


COMMANDS = {
    "edit": Command("edit", "change the expression in a portrait"),
    "portrait": Command("portrait", "draw a portrait, to try things on"),
    "expressions": Command("lists:expressions_parser", "list the expressions and their other names"),
    "faces": Command("faces", "list the faces in a photo, and draw them"),
    "score": Command("score", "which expressions pictures show, and how strongly"),
    "likeness": Command("likeness", "what edits left of the person and of the background"),
    "studio": Command("studio", "edit with sliders, on a page in the browser"),
    "serve": Command("serve", "edit pictures over HTTP, for clients of OpenAI's image API"),
    "editors list": Command("editors:list_parser", "list the editors that --editor takes by name"),
    "editors show": Command("editors:show_parser", "tell all that is known of one of them"),
    "verify": Command("verify", "what pictures say of their making: settings, signature, mark"),
    "certificate": Command("certificate", "make a certificate and a key to try signing with"),
    "models": Command("models:parser", "list, fetch, check the weights of others: bases, adapters, encoders"),
    "triplets draw": Command("triplets_draw", "draw portraits, as many as wanted, with the truth about each"),
    "triplets build": Command("triplets_pair:build_parser", "pair the annotated pictures of each person"),
    "triplets mead": Command(
        "triplets_pair:mead_parser", "pair frames of the MEAD data set, three levels as strengths"
    ),
    "triplets check": Command(
        "triplets_check", "say what files of triplets hold, and what is wrong with them"
    ),
    "dataset build": Command(
        "dataset:build_parser", "collect pictures, find their faces, duplicates and people"
    ),
    "dataset stats": Command("dataset:stats_parser", "counts of every reason, sizes, people"),
    "dataset explain": Command("dataset:explain_parser", "why a picture was kept or rejected"),
    "dataset review": Command(
        "dataset_review:review_parser", "a page on which a person keeps or drops pictures"
    ),
    "dataset export": Command(
        "dataset_export:export_parser",
        "write it as Parquet, WebDataset, triplets or a benchmark, with a card",
    ),
    "dataset validate": Command("dataset_export:validate_parser", "whether a data set or an export is whole"),
    "dataset agreement": Command(
        "dataset_review:agreement_parser", "how far people agree on what pictures show, and with the judge"
    ),
    "train": Command("train", "train an adapter for expressions"),
    "adapters show": Command(
        "adapters:show_parser", "say what an adapter file holds: format, layers, rank, alpha, faults"
    ),
    "adapters convert": Command(
        "adapters:convert_parser", "write an adapter for another tool, with alpha folded in"
    ),
    "bench ffe run": Command("bench_run:ffe_parser", "let an editor do the edits of FFE-Bench"),
    "bench ffe judge": Command(
        "bench_judge:ffe_parser", "have the edits judged, and measure their likeness to the source"
    ),
    "bench ffe report": Command(
        "bench_report:ffe_parser", "the numbers of one or several runs, as a table, JSON and a page"
    ),
    "bench fed run": Command("bench_run:fed_parser", "let an editor do the edits of FED-Bench"),
    "bench fed judge": Command(
        "bench_judge:fed_parser", "have the edits marked, and measure the other components"
    ),
    "bench fed report": Command(
        "bench_report:fed_parser", "components, dimensions and FED-Score of one or several runs"
    ),
    "bench fed bias": Command(
        "bench_bias", "do FED-Score and single metrics rank edits whose order is known?"
    ),
    "bench compare": Command(
        "bench_report:compare_parser", "two runs, paired: what is better, and how sure that is"
    ),
    "bench plan": Command("bench_plan", "what a comparison will cost, before it runs"),
    "bench leaderboard": Command(
        "bench_leaderboard", "editors side by side on both benchmarks: a page, CSV, LaTeX"
    ),
    "bench study page": Command("bench_study:page_parser", "a page on which a person ranks sweeps, blind"),
    "bench study rank": Command("bench_study:rank_parser", "mean ranks and agreement from the pages' CSVs"),
    "doctor": Command("doctor", "what this machine can run, and what is missing"),
    "completion": Command("completion", "make a shell complete commands, options and values"),
}

GROUPS = {
    "": Group(
        "",
        "Edit facial expressions in portraits with a continuous strength.",
        (
            "pixelsmile portrait --seed 7 -o face.png",
            "pixelsmile edit face.png -e happy -s 0 0.5 1 1.5 --grid",
        ),
        (
            "pixelsmile help COMMAND     what a command takes (also: pixelsmile COMMAND --help)",
            "pixelsmile version          the version (also: pixelsmile --version)",
            'pixelsmile COMMAND --json   for programs, where a command has it: errors too, as {"error": ...}',
        ),
    ),
    "editors": Group(
        "every editor of the papers by name, and how each is run",
        "The table of editors: how each is run, its arguments, licence and price.",
        ("pixelsmile editors list", "pixelsmile editors show flux-kontext-dev"),
    ),
    "triplets": Group(
        "make the data to train on: draw it, pair pictures, check files",
        "Make triplets for `pixelsmile train`: a source and two targets of the same person, as JSON lines.",
        (
            "pixelsmile triplets draw -n 200 -o drawn",
            "pixelsmile triplets check drawn/triplets.jsonl",
            "pixelsmile train embedded --set data.triplets=drawn/triplets.jsonl --smoke",
        ),
    ),
    "dataset": Group(
        "build a data set from anyone's portraits, and look into it",
        "Build data sets from pictures of people: every picture kept, or rejected with its reason.",
        (
            "pixelsmile dataset build drawn -o people",
            "pixelsmile dataset stats people",
            "pixelsmile dataset explain people 20000003-neutral",
            "pixelsmile dataset review people",
            "pixelsmile dataset export people -o people-parquet --splits train=.9,test=.1",
        ),
    ),
    "adapters": Group(
        "look into adapter files of any tool, and convert them",
        "Adapters (LoRA, DoRA, LoHa, LoKr) of PEFT, diffusers, kohya, musubi, LyCORIS, ComfyUI and others.",
        (
            "pixelsmile adapters show smile.safetensors",
            "pixelsmile adapters convert smile.safetensors -o smile-kohya.safetensors --format kohya",
        ),
    ),
    "bench": Group(
        "measure any editor of expressions, and compare editors",
        "Measure any editor of expressions: run, judge, report.",
        (
            "pixelsmile bench ffe run --samples 12 -o runs/first",
            "pixelsmile bench ffe judge runs/first",
            "pixelsmile bench ffe report runs/first",
            "pixelsmile bench fed run --samples 12 -o runs/second",
            "pixelsmile bench fed judge runs/second",
            "pixelsmile bench fed report runs/second",
            "pixelsmile bench compare runs/first runs/theirs",
            "pixelsmile bench leaderboard runs/* --html board.html",
            "pixelsmile bench study page runs/first runs/theirs -o study.html",
        ),
    ),
}


def run_command(words: Sequence[str]) -> int:
    """The exit code of the command that the first words name. InputError, with the nearest, for other words.

    Help is printed where it is asked for, and where a command is not named to its end.
    """
    if is_asking():
        _offer(words)
    for num_words in (1, 2, 3):
        if command := COMMANDS.get(" ".join(words[:num_words])):
            return command.run(words[num_words:])
    named = [word for word in words if word not in ASKS]
    if len(named) < len(words) and any(" ".join(named[:count]) in COMMANDS for count in (1, 2, 3)):
        return run_command([*named, "--help"])  # `help edit`, `bench help ffe run`
    if " ".join(named) in ("", *_beginnings()):
        print(help_about(" ".join(named)), end="")
        return 0
    raise InputError(_unknown(named))


def help_about(beginning: str = "") -> str:
    """What may be typed after those words."""
    prog = f"pixelsmile {beginning}".strip()
    group, above = GROUPS.get(beginning), GROUPS[beginning.partition(" ")[0]]
    lines = _summaries(beginning)
    width = max(map(len, lines)) + 1
    remarks = above.remarks or (f"{prog} COMMAND --help   what a command takes",)
    blocks = [
        [f"usage: {prog} COMMAND ..."],
        [group.summary] if group else [],
        ["commands:", *(f"  {name:<{width}} {line}" for name, line in lines.items())],
        [f"  {remark}" for remark in remarks],
        ["try it:", *(f"  {line}" for line in above.examples if line.startswith(prog) or group)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _summaries(beginning: str) -> dict[str, str]:
    """What each command does whose name begins so, by the rest of its name; at the top, by the first word."""
    if beginning:
        start = f"{beginning} "
        return {
            name.removeprefix(start): command.summary
            for name, command in COMMANDS.items()
            if name.startswith(start)
        }
    firsts = dict.fromkeys(name.partition(" ")[0] for name in COMMANDS)
    return {name: GROUPS[name].line if name in GROUPS else COMMANDS[name].summary for name in firsts}


def _beginnings() -> set[str]:
    """`bench`, `bench ffe`, ...: what names commands, and not one."""
    parts = [name.split() for name in COMMANDS]
    return {" ".join(words[:count]) for words in parts for count in range(1, len(words))}


def _unknown(words: Sequence[str]) -> str:
    """What was typed that is no command, and what is like it."""
    group = words[0] if words[0] in GROUPS else ""
    prog = f"pixelsmile {group}".strip()
    rest = words[1:] if group else words
    if rest[0].startswith("-"):
        return f"unknown option {rest[0]!r}: {prog} --help explains"
    seen = " ".join([word for word in rest[: 2 if group else 1] if not word.startswith("-")])
    known = _summaries(group)
    return f"unknown command {f'{group} {seen}'.strip()!r}: {nearest(seen, known)} ({prog} --help lists them)"


def _offer(words: Sequence[str]) -> None:
    """Offer the word that may come next, unless a command is whole."""
    words = [word for word in words if word != "help"]
    offered: dict[str, str] = {}
    for name, command in COMMANDS.items():
        parts = name.split()
        if list(words) == parts[: len(words)] and len(parts) > len(words):
            word, is_last = parts[len(words)], len(parts) == len(words) + 1
            offered[word] = command.summary if is_last else f"commands of {word}"
    if not words:
        offered = _summaries("") | {"help": "what a command takes", "version": "the version"}
    if offered:
        from pixelsmile.cli.completion import offer_words

        offer_words(offered)
