"""`python -m recipes.photo.judge FOLDER`: fit what the judge of photographs makes of blendshapes.

FOLDER has portraits, photographed or painted, of which no more need be known than that the face of those
whose names are given with --rest is at rest, and what those with --posed show. The geometric engine moves
each face to the prototypes of the six expressions; a linear discriminant (one covariance, shrunk) learns
which blendshapes follow. Nothing is learnt from photographs labelled with what they show: the judge is
measured on those.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.editing.engines.geometric.engine import edit_face, place_face
from pixelsmile.editing.engines.geometric.units_on_mesh import Movement, in_reach, without
from pixelsmile.embedded import photo_path
from pixelsmile.errors import FaceError, InputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.face import Face
from pixelsmile.faces.mesh import load_mesh_networks
from pixelsmile.faces.mesh.networks import Picture
from pixelsmile.faces.mesh.units import source_units
from pixelsmile.images import load_image
from pixelsmile.judges.judge import NoVerdict
from pixelsmile.judges.photo.judge import PhotoJudge
from pixelsmile.judges.photo.scores import CATEGORIES, CLASSES, FILE, SHAPES, Way, shape_features
from pixelsmile.portraits import NUM_VARIANTS, action_units
from pixelsmile.store.publication import check_place, write_file
from recipes.command_line import refusing
from recipes.photo.pictures import pictures_in

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
LEAST_PEOPLE = 2  # one is held out
LEAST_STRENGTH = 0.5  # of what counts as showing an expression
LEAST_RISE = 0.1  # of log-odds, from a strength to the next
SHRINKAGE = 0.3
LEAST_SPREAD = 0.1  # of log-odds: some blendshapes never stir
SIDE_PX, CONTEXT = 384, 2.2  # of the picture around a face, and its side over the face's
TRUSTS = np.arange(0.05, 1.01, 0.05)


@dataclass(frozen=True, eq=False)
class Seen:
    """A face that was moved, and what the blendshape network then saw."""

    person: str
    expression: str
    strength: float
    features: np.ndarray


@refusing()
def main() -> None:
    """Edit, fit, write embedded/photo/judge.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rest", nargs="+", required=True, metavar="NAME", help="pictures of faces at rest")
    parser.add_argument(
        "--posed",
        nargs="+",
        type=_posed,
        required=True,
        metavar="EXPRESSION=NAME",
        help="one of each of the six",
    )
    parser.add_argument("--into", type=Path, default=photo_path() / FILE)
    options = parser.parse_args()
    posed = dict(options.posed)
    if missing := [name for name in CATEGORIES if name not in posed]:
        parser.error(f"--posed lacks {', '.join(missing)}: name a picture of each")
    files = pictures_in(options.folder)
    for name in (*options.rest, *posed.values()):
        if not (options.folder / name).is_file():
            parser.error(f"there is no picture {name!r} in {str(options.folder)!r}: check its name")
    check_place(options.into.parent, [options.into.name], force=True)
    seen = [one for path in files for one in moved_faces(path)]
    people = len({one.person for one in seen})
    if people < LEAST_PEOPLE:
        raise InputError(
            f"{people} of {len(files)} pictures show a face that can be moved: give more portraits"
        )
    print(f"{len(seen)} faces of {people} people")
    plain = [one for one in seen if one.strength >= LEAST_STRENGTH]
    trust, accuracy = held_out(plain)
    print(f"people held out: accuracy {accuracy:.3f}, trust {trust:.2f}")
    weights_CB, intercepts_C = discriminant(plain)
    network = network_ways(options.folder, options.rest, posed)
    shape = shape_ways(seen, weights_CB, intercepts_C)
    record = {
        "shapes": SHAPES,
        "weights": weights_CB.round(5).tolist(),
        "intercepts": intercepts_C.round(5).tolist(),
        "trust": round(trust, 2),
        "network": {name: way.model_dump() for name, way in network.items()},
        "shape": {name: way.model_dump() for name, way in shape.items()},
        "fitted_on": (
            f"{len(seen)} edits of the geometric engine, of {people} portraits; "
            f"{len(options.rest)} portraits at rest; {len(posed)} posed ones"
        ),
    }
    write_file(options.into, (json.dumps(record, indent=1) + "\n").encode(), force=True)


def _posed(text: str) -> tuple[str, str]:
    """An argparse type: an expression, and the picture that shows it."""
    expression, _, name = text.partition("=")
    if expression not in CATEGORIES or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not like {CATEGORIES[0]}=a.jpg")
    return expression, name


def moved_faces(path: Path) -> Iterator[Seen]:
    """The face of a picture at rest and moved to each expression; nothing where there is no face."""
    networks, image = load_mesh_networks(), load_image(path)
    found = MeshDetector.load().meshes(image)
    if not found:
        return
    x0, y0, x1, y1 = found[0][0].box
    side, middle = CONTEXT * max(x1 - x0, y1 - y0), ((x0 + x1) / 2, (y0 + y1) / 2)
    picture = Image.fromarray(Picture(image).square(middle, side, 0.0, SIDE_PX))
    mesh = networks.look(
        Picture(picture), (SIDE_PX / 2, SIDE_PX / 2), SIDE_PX / CONTEXT * 1.5, found[0][0].angle
    )
    if mesh is None:
        return
    try:
        face, (left, top) = place_face(np.asarray(picture), mesh)
    except FaceError as error:
        print(f"{path.name}: {error}")
        return
    x0, y0, x1, y1 = mesh.box
    box = (x0 - left, y0 - top, x1 - left, y1 - top)
    place = Face(box, mesh.landmarks_5 - (left, top), 1.0, "known")
    shown = without(source_units(networks.blendshapes(mesh)))
    for expression, strength, variant in _wanted():
        pixels = edit_face(face, Movement(shown, in_reach(action_units(expression, strength, variant)), 1.0))
        again = networks.fit(Image.fromarray(pixels), place)
        if again is not None:
            yield Seen(path.stem, expression, strength, shape_features(networks.blendshapes(again)))


def _wanted() -> Iterator[tuple[str, float, int]]:
    yield NEUTRAL, 1.0, 0
    for expression in CATEGORIES:
        for variant in range(NUM_VARIANTS):
            for strength in STRENGTHS:
                yield expression, strength, variant


def discriminant(seen: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (C, B) and intercepts (C,) of a linear discriminant of CLASSES, all equally likely."""
    features_NB = np.stack([one.features for one in seen])
    classes_N = np.array([CLASSES.index(one.expression) for one in seen])
    means_CB = np.stack([features_NB[classes_N == k].mean(0) for k in range(len(CLASSES))])
    within_NB = features_NB - means_CB[classes_N]
    spread_B = np.maximum(within_NB.std(0), LEAST_SPREAD)
    covariance_BB = np.cov(within_NB / spread_B, rowvar=False)
    shrunk_BB = (1 - SHRINKAGE) * covariance_BB + SHRINKAGE * np.eye(len(SHAPES))
    weights_CB = np.linalg.solve(shrunk_BB, (means_CB / spread_B).T).T / spread_B
    return weights_CB, -0.5 * (weights_CB * means_CB).sum(1)


def held_out(seen: Sequence[Seen]) -> tuple[float, float]:
    """By discriminants that have not seen the person: the trust that makes its probabilities likeliest, and
    the share of right answers.
    """
    logs, classes = [], []
    for person in sorted({one.person for one in seen}):
        weights_CB, intercepts_C = discriminant([one for one in seen if one.person != person])
        mine = [one for one in seen if one.person == person]
        logs += [intercepts_C + weights_CB @ one.features for one in mine]
        classes += [CLASSES.index(one.expression) for one in mine]
    logs_NC, classes_N = np.stack(logs), np.array(classes)
    likely = [_log_likelihood(trust * logs_NC, classes_N) for trust in TRUSTS]
    accuracy = float((logs_NC.argmax(1) == classes_N).mean())
    return float(TRUSTS[int(np.argmax(likely))]), accuracy


def _log_likelihood(logs_NC: np.ndarray, classes_N: np.ndarray) -> float:
    shifted_NC = logs_NC - logs_NC.max(1, keepdims=True)
    right_N = shifted_NC[np.arange(len(classes_N)), classes_N]
    return float((right_N - np.log(np.exp(shifted_NC).sum(1))).mean())


def shape_ways(seen: Sequence[Seen], weights_CB: np.ndarray, intercepts_C: np.ndarray) -> dict[str, Way]:
    """The medians of the faces at rest, and of those that were moved by each strength."""
    odds_NC = np.stack([intercepts_C + weights_CB @ one.features for one in seen])
    odds_NC -= odds_NC[:, :1]
    shown = [(one.expression, one.strength) for one in seen]
    ways = {}
    for k, name in enumerate(CATEGORIES, 1):
        steps = [(NEUTRAL, 1.0), *((name, strength) for strength in STRENGTHS)]
        medians = [_median(odds_NC[[step == one for one in shown], k]) for step in steps]
        for number in range(1, len(medians)):
            medians[number] = round(max(medians[number], medians[number - 1] + LEAST_RISE), 2)
        ways[name] = Way(log_odds=tuple(medians))
    return ways


def network_ways(folder: Path, rest: Sequence[str], posed: Mapping[str, str]) -> dict[str, Way]:
    """From the faces at rest, their median, to the one that shows an expression.

    One face says little about others: half of it is the mean over all six.
    """
    judge = PhotoJudge()
    at_rest_NC = np.stack([_network_log_odds(judge, folder / name) for name in rest])
    full = {
        name: float(_network_log_odds(judge, folder / posed[name])[k]) for k, name in enumerate(CATEGORIES, 1)
    }
    mean = float(np.mean(list(full.values())))
    return {
        name: Way(log_odds=(_median(at_rest_NC[:, k]), round((full[name] + mean) / 2, 2)))
        for k, name in enumerate(CATEGORIES, 1)
    }


def _network_log_odds(judge: PhotoJudge, path: Path) -> np.ndarray:
    look = judge.look(load_image(path))
    if isinstance(look, NoVerdict):
        raise SystemExit(f"{path}: {look.detail}")
    logs = json.loads(look.transcript)["network"]
    return np.array([logs[name] - logs[NEUTRAL] for name in CLASSES])


def _median(values: np.ndarray) -> float:
    return round(float(np.median(values)), 2)


if __name__ == "__main__":
    main()
