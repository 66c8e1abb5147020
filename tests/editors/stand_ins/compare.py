"""Whether a stand-in still says what a checkout of its repository says: python compare.py NAME CHECKOUT.

NAME is a folder beside this file. Every class and function of it must be in the same file of the checkout;
what it takes must be taken there, in that order, and what is needed there must be taken here; a dataclass may
have no other fields. Nothing of the repository is run.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
Definition = ast.FunctionDef | ast.ClassDef
OWN = ("Output", "Answer", "Pipe", "Scheduler", "ImageToImage", "Inputs")  # no class of a repository


def differences(stand_in: Path, checkout: Path) -> list[str]:
    """What does not agree, a line each; empty where all does."""
    found = []
    for path in sorted(stand_in.rglob("*.py")):
        ours = tuple(definitions(ast.parse(path.read_text(encoding="utf-8"))))
        theirs_path = checkout / path.relative_to(stand_in)
        if not ours:
            continue
        if not theirs_path.is_file():
            found.append(f"{theirs_path} is not there")
            continue
        theirs = dict(definitions(ast.parse(theirs_path.read_text(encoding="utf-8"))))
        for name, definition in ours:
            if isinstance(definition, ast.ClassDef) and name in theirs:
                found += [f"{path.name}: {name} {what}" for what in _lost_fields(definition, theirs[name])]
            if name not in theirs:
                found.append(f"{path.name}: {name} is not in {theirs_path}")
            elif isinstance(definition, ast.FunctionDef):
                found += [f"{path.name}: {name} {what}" for what in _misfits(definition, theirs[name])]
    return found


def definitions(module: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Classes, functions and methods by their names, as Class.method."""
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name not in OWN:
            yield node.name, node
            yield from (
                (f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef)
            )
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node


def _lost_fields(ours: ast.ClassDef, theirs: Definition) -> Iterator[str]:
    known = [ast.unparse(part.target) for part in theirs.body if isinstance(part, ast.AnnAssign)]
    for part in ours.body:
        if isinstance(part, ast.AnnAssign) and ast.unparse(part.target) not in known:
            yield f"has the field {ast.unparse(part.target)}, which theirs has not"


def _misfits(ours: ast.FunctionDef, theirs: Definition) -> Iterator[str]:
    if not isinstance(theirs, ast.FunctionDef):
        yield "is a class there"
        return
    theirs_of = _parameters(theirs)
    ours_of = _parameters(ours)
    if unknown := [name for name in ours_of if name not in theirs_of]:
        yield f"takes {', '.join(unknown)}, which theirs does not"
    if [name for name in ours_of if name in theirs_of] != [name for name in theirs_of if name in ours_of]:
        yield "takes its arguments in another order"
    if needed := [name for name, is_needed in theirs_of.items() if is_needed and name not in ours_of]:
        yield f"lacks {', '.join(needed)}, which theirs needs"


def _parameters(function: ast.FunctionDef) -> dict[str, bool]:
    """The names in order, and whether each must be given."""
    parameters = function.args
    plain = [*parameters.posonlyargs, *parameters.args]
    num_needed = len(plain) - len(parameters.defaults)
    found = {parameter.arg: index < num_needed for index, parameter in enumerate(plain)}
    if parameters.vararg is not None:
        found["*" + parameters.vararg.arg] = False
    for parameter, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
        found[parameter.arg] = default is None
    if parameters.kwarg is not None:
        found["**" + parameters.kwarg.arg] = False
    return found


if __name__ == "__main__":
    lines = differences(HERE / sys.argv[1], Path(sys.argv[2]))
    print("\n".join(lines) or f"{sys.argv[1]}: all as in {sys.argv[2]}")
    sys.exit(bool(lines))
