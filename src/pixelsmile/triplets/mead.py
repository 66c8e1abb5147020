"""MEAD as training data, for the paper's ablation (PixelSmile, Appendix C): frontal frames, three levels.

The folders are MEAD's own, whatever lies between its parts (`video` in the published archives):

    M003/video/front/angry/level_3/001.mp4        a clip
    M003/video/front/angry/level_3/001/0057.png   a frame of it (`extract_frames` writes these), or
    M003/video/front/angry/level_3/001.png        the only frame of it

Reading clips needs OpenCV. MEAD has eight emotions, neutral in one level only, and no scores: a frame is
given the level of its clip for its own expression, and 0 for the eleven others.
"""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pixelsmile.errors import ExpressionError, InputError, install
from pixelsmile.expressions import NEUTRAL, parse_expression
from pixelsmile.store.publication import staged
from pixelsmile.triplets.annotated import AnnotatedPicture
from pixelsmile.triplets.triplet import one_hot_scores

LEVEL_STRENGTHS: dict[int, float] = {1: 0.5, 2: 0.75, 3: 1.0}  # low, medium, high (Appendix C.1)
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CLIP_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv")

_PERSON = re.compile(r"[MW][0-9]{3}")
_LEVEL = re.compile(r"level_([0-9]+)")
_VIEW = "front"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeadFile:
    """A frame or a clip of the frontal view. clip: its path without a suffix, relative to the root."""

    path: Path
    identity: str
    expression: str
    level: int
    clip: Path


def mead_pictures(root: Path, frames_per_clip: int = 1) -> tuple[AnnotatedPicture, ...]:
    """Frames below `root`, of each clip `frames_per_clip` spread evenly over it, annotated as above.

    InputError where there are no frames of the frontal view, or names that are not MEAD's.
    """
    _check_number(frames_per_clip)
    clips: defaultdict[Path, list[MeadFile]] = defaultdict(list)
    for file in find_mead(root, PICTURE_SUFFIXES):
        clips[file.clip].append(file)
    if not clips:
        raise InputError(
            f"no frames like M003/video/front/angry/level_1/001/0001.png below {str(root)!r}: "
            "give the folder that holds MEAD's people, with frames extracted"
        )
    return tuple(
        _annotated(files[index]) for files in clips.values() for index in spread(len(files), frames_per_clip)
    )


def find_mead(root: Path, suffixes: Sequence[str]) -> Iterator[MeadFile]:
    """All files of the frontal view below `root` with these suffixes, in the order of their numbers.

    Hidden files do not count. InputError where `root` is no folder, a folder below it cannot be read, or a
    file lies in no emotion or level.
    """
    if not root.is_dir():
        raise InputError(
            f"{str(root)!r} is no folder: give the one that holds MEAD's people (M003, W009, ...)"
        )
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names, key=lambda name: (len(name), name)):  # 2.png comes before 10.png
            if name.lower().endswith(tuple(suffixes)) and not name.startswith("."):
                yield from _parse(Path(folder, name), root)


@dataclass(frozen=True)
class Extracted:
    """How far it is. unreadable: clips that gave no frames, of which the log tells why."""

    done: int
    num_clips: int
    unreadable: int


def extract_frames(root: Path, folder: Path, frames_per_clip: int = 1) -> Iterator[Extracted]:
    """Write frames of all frontal clips below `root` into `folder`, in the same folders.

    From 001.mp4 come `frames_per_clip` frames like 001/0057.png, counted from 1, spread evenly over it;
    they appear together. Clips that have so many are passed over, so the same call goes on where one was
    killed; to fewer, what is missing is added. InputError without clips or without OpenCV, before anything
    is written; OutputError when the disk fails.
    """
    _check_number(frames_per_clip)
    cv2 = _opencv()
    clips = list(find_mead(root, CLIP_SUFFIXES))
    if not clips:
        raise InputError(
            f"no clips like M003/video/front/angry/level_1/001.mp4 below {str(root)!r}: "
            "give the folder that holds MEAD's people"
        )
    unreadable = 0
    for done, clip in enumerate(clips, 1):
        target = folder / clip.clip
        if not _has_frames(target, frames_per_clip):
            try:
                _write(cv2, clip.path, target, frames_per_clip)
            except _ClipError as error:
                unreadable += 1
                _log.warning("%s gives no frames: %s", clip.path, error)
        yield Extracted(done, len(clips), unreadable)


def spread(length: int, num: int) -> list[int]:
    """`num` of `length` frames, all where there are fewer. Appendix C.2: "we uniformly sample frames".

    The middle of each of `num` equal parts, so never the resting face at both ends.
    """
    num = min(num, length)
    return [(2 * part + 1) * length // (2 * num) for part in range(num)]


def _check_number(frames_per_clip: int) -> None:
    if frames_per_clip < 1:
        raise InputError(f"{frames_per_clip!r} frames of a clip: use 1 or more")


def _refuse(error: OSError) -> NoReturn:
    raise InputError(
        f"cannot look into {error.filename!r} ({error.strerror}): check its permissions"
    ) from error


def _parse(path: Path, root: Path) -> Iterator[MeadFile]:
    """The file by its folders; nothing for one that is not of a person's frontal view."""
    parts = path.relative_to(root).parts
    if _VIEW not in parts[:-1]:
        return
    view = parts.index(_VIEW)
    people = [part for part in parts[:view] if _PERSON.fullmatch(part)]
    if not people:
        return
    emotion, level = (*parts[view + 1 : -1], "", "")[:2]
    found = _LEVEL.fullmatch(level)
    if not found or int(found[1]) not in LEVEL_STRENGTHS:
        raise InputError(f"{str(path)!r} lies in no level of an emotion: name the folder level_1, _2 or _3")
    try:
        expression = parse_expression(emotion)
    except ExpressionError as error:
        raise InputError(f"{str(path)!r} lies in no emotion of MEAD ({error})") from error
    *above, first = parts[: view + 4]  # the clip, a frame, or a folder of frames
    yield MeadFile(path, people[-1], expression, int(found[1]), Path(*above, Path(first).stem))


def _annotated(file: MeadFile) -> AnnotatedPicture:
    strength = 0.0 if file.expression == NEUTRAL else LEVEL_STRENGTHS[file.level]
    return AnnotatedPicture(
        file.path, file.identity, file.expression, one_hot_scores(file.expression, strength)
    )


class _ClipError(Exception):
    """A clip that cannot be read as it should."""


def _has_frames(target: Path, num: int) -> bool:
    return target.is_dir() and sum(path.suffix == ".png" for path in target.iterdir()) >= num


def _write(cv2: Any, clip: Path, target: Path, frames_per_clip: int) -> None:
    frames = _read(cv2, clip, frames_per_clip)
    files = {f"{number:04}.png": cv2.imencode(".png", picture)[1].tobytes() for number, picture in frames}
    with staged(target, files, force=True) as stage:  # all at once, also beside those that are there already
        for name, data in files.items():
            stage.write(name, data)


def _read(cv2: Any, clip: Path, frames_per_clip: int) -> list[tuple[int, Any]]:
    """Frames, numbered from 1. The clip is read from its beginning, since seeking is not exact."""
    video = cv2.VideoCapture(str(clip))
    try:
        length = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        if length < 1:
            raise _ClipError("it is damaged or no video")
        wanted, frames = set(spread(length, frames_per_clip)), []
        for index in range(max(wanted) + 1):
            if not video.grab():
                raise _ClipError(f"it ends after {index} of {length} frames")
            if index in wanted:
                frames.append((index + 1, video.retrieve()[1]))
        return frames
    finally:
        video.release()


def _opencv() -> Any:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a clip is said once, by us
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"reading MEAD's clips needs OpenCV: {install('faces')}, or extract frames yourself "
            "to M003/video/front/angry/level_1/001/0001.png and so on"
        ) from error
    return cv2
