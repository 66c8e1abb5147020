"""Frames of MEAD's clips as pictures, in MEAD's own folders. Needs OpenCV to read the clips."""

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelsmile.errors import InputError, OutputError
from pixelsmile.faces.onnx_picture import EXTRA
from pixelsmile.training.mead import CLIP_SUFFIXES, find_mead, spread_indices

logger = logging.getLogger(__name__)


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
    if frames_per_clip < 1:
        raise InputError(f"{frames_per_clip!r} frames of a clip: use 1 or more")
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
                logger.warning("%s gives no frames: %s", clip.path, error)
        yield Extracted(done, len(clips), unreadable)


class _ClipError(Exception):
    """A clip that cannot be read as it should."""


def _has_frames(target: Path, num: int) -> bool:
    return target.is_dir() and sum(path.suffix == ".png" for path in target.iterdir()) >= num


def _write(cv2: Any, clip: Path, target: Path, frames_per_clip: int) -> None:
    frames = _read(cv2, clip, frames_per_clip)
    partial = target.with_name(f".{target.name}.partial")  # hidden: not found as frames
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for number, picture in frames:
            with (partial / f"{number:04}.png").open("wb") as file:
                file.write(cv2.imencode(".png", picture)[1].tobytes())
                file.flush()
                os.fsync(file.fileno())
        _move(partial, target)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(target)!r} ({error.strerror}): free some space or choose another folder"
        ) from error


def _move(partial: Path, target: Path) -> None:
    """All frames at once, or beside those that are there already."""
    if not target.is_dir():
        partial.rename(target)
        return
    for frame in partial.iterdir():
        frame.replace(target / frame.name)
    partial.rmdir()


def _read(cv2: Any, clip: Path, frames_per_clip: int) -> list[tuple[int, Any]]:
    """Frames, numbered from 1. The clip is read from its beginning, since seeking is not exact."""
    video = cv2.VideoCapture(str(clip))
    try:
        length = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        if length < 1:
            raise _ClipError("it is damaged or no video")
        wanted, frames = set(spread_indices(length, frames_per_clip)), []
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
            f"reading MEAD's clips needs OpenCV: {EXTRA}, or extract frames yourself "
            "to M003/video/front/angry/level_1/001/0001.png and so on"
        ) from error
    return cv2
