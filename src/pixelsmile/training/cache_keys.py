"""The names of what is cached: hashes of a picture's bytes, the working size, the network, the prompt."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path

from pixelsmile.errors import ImageError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.training.cache_parts import PartHashes
from pixelsmile.training.triplets import Target, Triplet
from pixelsmile.training.window import TokenWindow

VERSION = 1  # to be raised when this code computes other numbers from the same input


@dataclass(frozen=True)
class TargetKeys:
    """Where the parts of a target are; None, or no encoder: not cached. `prompt_text`: what was encoded."""

    prompt_text: str
    prompt: str
    latents: str
    feature: str | None
    landmarks: str | None
    identities: Mapping[str, str]

    def of_picture(self) -> set[str]:
        """All but that of the prompt, which is encoded with the source in view."""
        return {key for key in (self.latents, self.feature, self.landmarks, *self.identities.values()) if key}


@dataclass(frozen=True)
class TripletKeys:
    """Where the parts of a triplet are."""

    source: str
    neutral_text: str
    neutral: str
    a: TargetKeys
    b: TargetKeys

    @property
    def sha256(self) -> str:
        """Of everything that the triplet was computed from, but for its strengths."""
        return sha256_json(astuple(self))

    def all(self) -> set[str]:
        """Every key."""
        targets = {key for target in (self.a, self.b) for key in (target.prompt, *target.of_picture())}
        return {self.source, self.neutral, *targets}


@dataclass(frozen=True)
class KeyMaker:
    """Makes the keys of triplets at one working size. Each picture is read once.

    window: outside of which features and identities see nothing.
    """

    size_px: int
    hashes: PartHashes
    window: TokenWindow | None = None
    _pictures: dict[Path, str] = field(default_factory=dict)

    def keys(self, triplet: Triplet) -> TripletKeys:
        """ImageError for a picture that cannot be read."""
        source = self._picture(triplet.source.image)
        neutral_text = self.hashes.prompt(NEUTRAL, triplet.domain)
        return TripletKeys(
            source=self._key("latents", self.hashes.latents, source),
            neutral_text=neutral_text,
            neutral=self._prompt(source, neutral_text, neutral_text),
            a=self._target(triplet, triplet.a, source, neutral_text),
            b=self._target(triplet, triplet.b, source, neutral_text),
        )

    def _target(self, triplet: Triplet, target: Target, source: str, neutral_text: str) -> TargetKeys:
        hashes, picture = self.hashes, self._picture(target.image)
        text = hashes.prompt(target.expression, triplet.domain)
        landmarks = self._landmarks(target, picture) if hashes.identities else None
        return TargetKeys(
            prompt_text=text,
            prompt=self._prompt(source, neutral_text, text),
            latents=self._key("latents", hashes.latents, picture),
            feature=hashes.features and self._key("feature", hashes.features, picture, *self._seen()),
            landmarks=landmarks,
            identities={
                name: self._key("identity", sha256, landmarks, *self._seen())
                for name, sha256 in hashes.identities.items()
            },
        )

    def _seen(self) -> tuple[object, ...]:
        return () if self.window is None else (astuple(self.window),)

    def _prompt(self, source: str, neutral_text: str, text: str) -> str:
        return self._key("prompt", self.hashes.text, source, neutral_text, text)

    def _landmarks(self, target: Target, picture: str) -> str:
        """Of those that are given, or of who looks for them where."""
        if target.landmarks_5 is not None:
            return self._key("landmarks", "given", picture, target.landmarks_5)
        return self._key("landmarks", self.hashes.landmarks, picture, target.face_box)

    def _key(self, kind: str, *made_of: object) -> str:
        return sha256_json([VERSION, kind, self.size_px, *made_of])

    def _picture(self, path: Path) -> str:
        if path not in self._pictures:
            try:
                self._pictures[path] = sha256_file(path)
            except OSError as error:
                raise ImageError(
                    f"cannot read the picture {str(path)!r} of a triplet ({error.strerror}): check the path"
                ) from error
        return self._pictures[path]
