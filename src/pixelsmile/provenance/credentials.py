"""C2PA content credentials: a signed record in a file of what was done to it, and from what it was made.

Written and read by c2pa-python, the library of the standard's makers (specification 2.4, claims of version
2); nothing is fetched from a network. The record is broken by any change of the file, and says so; a
screenshot, or a program that writes the file anew, leaves it out, and then the mark in the pixels is what is
left (`watermark`).
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from pixelsmile.errors import ImageError, InputError, OutputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.limits import MAX_FILE_BYTES, parse_json, read_bytes
from pixelsmile.provenance.certificates import Signer, load_signer, require_libraries
from pixelsmile.results import source_type_uri
from pixelsmile.version import __version__

MEDIA_TYPES = {  # of what carries credentials, by how its name ends
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
}
State = Literal["trusted", "untrusted", "broken"]

_SOURCE = "source"  # how the action names the ingredient until it is signed
_UNTRUSTED = "signingCredential.untrusted"
_OFFLINE: dict[str, Any] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": []},
}
_MAX_DEPTH = 64
_WORDS = {  # of the codes of C2PA, those that a person meets
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the film was changed after it was signed",
    "assertion.hashedURI.mismatch": "what it says was changed after it was signed",
    "claimSignature.mismatch": "the signature does not fit what it says",
    "claimSignature.outsideValidity": "the certificate was not valid when it was signed",
    "signingCredential.invalid": "the certificate is none to sign with",
    "signingCredential.expired": "the certificate has expired",
}


@dataclass(frozen=True)
class Claim:
    """What is said of a file. title: its name. source_type: a word of the IPTC. parent: what was edited: its
    title, its media type, its bytes. is_edited: whether any pixel differs from it. is_marked: whether what
    was edited carries the mark.
    """

    title: str
    source_type: str
    description: str
    parent: tuple[str, str, bytes]
    is_edited: bool = True
    is_marked: bool = False


@dataclass(frozen=True)
class Credentials:
    """What the newest record in a file says. state: trusted, where somebody whom the reader trusts vouches
    for the signer; untrusted, where the signature fits and nobody does; broken, where it does not fit.
    problems: why, each a code of C2PA with what it means. signer: as the certificate has it; issuer: its
    organisation. actions: what was done, each with its source type, where it says one. parents: the titles
    of what it was made from.
    """

    state: State
    signer: str | None
    issuer: str | None
    time: str | None
    generator: str | None
    actions: tuple[tuple[str, str | None], ...]
    parents: tuple[str, ...]
    problems: tuple[str, ...]


def open_signer(certificate: Path, key: Path) -> Signer:
    """`load_signer`, and a signature on trial, so that a certificate that is not fit for it is found before
    any work. InputError.
    """
    signer = load_signer(certificate, key)
    pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(pixel, "PNG")
    claim = Claim("trial.png", "humanEdits", "a trial", ("trial.png", "image/png", pixel.getvalue()))
    try:
        signed(pixel.getvalue(), claim, signer)
    except OutputError as error:
        raise InputError(f"{str(certificate)!r} cannot sign: {error}") from error
    return signer


def signed(data: bytes, claim: Claim, signer: Signer) -> bytes:
    """The file with its record: PNG, JPEG, WebP, GIF or MP4, as the title's name ends.

    What the parent's own credentials say goes on in it. OutputError where the library refuses.
    """
    import c2pa

    title, media_type, parent = claim.parent
    output = io.BytesIO()
    with _refusals(claim.title), c2pa.Context.from_dict(_settings(signer=True)) as context:
        info = c2pa.C2paSignerInfo(
            signer.algorithm.encode(), signer.certificates.encode(), signer.key.encode(), None
        )
        with c2pa.Signer.from_info(info) as pen, c2pa.Builder(_definition(claim), context=context) as builder:
            ingredient = {"title": title, "relationship": "parentOf", "label": _SOURCE}
            builder.add_ingredient(ingredient, media_type, io.BytesIO(parent))
            builder.sign(pen, MEDIA_TYPES[Path(claim.title).suffix], io.BytesIO(data), output)
    return output.getvalue()


def parent_of(path: Path | None, image: Image.Image, sha256: str | None) -> tuple[str, str, bytes]:
    """What a claim says was edited: the file, where it is of a kind that carries credentials; else the
    picture.

    ImageError where the file is no longer the one with that hash.
    """
    media_type = None if path is None else MEDIA_TYPES.get(path.suffix.lower())
    if path is not None and media_type is not None:
        data = read_bytes(path, error=ImageError)
        if sha256 is not None and sha256_bytes(data) != sha256:
            raise ImageError(f"{str(path)!r} has changed since it was read: start again")
        return path.name, media_type, data
    pixels = io.BytesIO()
    image.save(pixels, "PNG")
    return path.name if path is not None else "a picture without a file", "image/png", pixels.getvalue()


def read_credentials(path: Path, anchors: str | None = None) -> Credentials | None:
    """The credentials in a file; None where it has none.

    anchors: certificates (PEM) of those who vouch for signers that are to be trusted, beside those that the
    library knows. InputError for a file that cannot be read.
    """
    require_libraries()
    import c2pa

    data = read_bytes(path, max_bytes=MAX_FILE_BYTES)
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    try:
        with c2pa.Context.from_dict(_settings(anchors=anchors)) as context:
            reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=context)
            if reader is None:
                return None
            with reader:
                store = parse_json(reader.json(), f"the credentials of {str(path)!r}", max_depth=_MAX_DEPTH)
    except c2pa.C2paError.NotSupported:
        return None
    except c2pa.C2paError as error:
        return Credentials("broken", None, None, None, None, (), (), (f"unreadable: {_first_line(error)}",))
    return _read(store)


def has_credentials(data: bytes) -> bool:
    """Whether a file seems to hold some, for those who have not the library to read them."""
    return b"jumb" in data and b"c2pa" in data


def _settings(*, signer: bool = False, anchors: str | None = None) -> dict[str, Any]:
    settings = dict(_OFFLINE)
    if signer:
        about = {"name": "pixelsmile", "version": __version__}
        settings["builder"] = {"thumbnail": {"enabled": False}, "claim_generator_info": about}
    if anchors is not None:
        settings["trust"] = {"user_anchors": anchors}
    return settings


def _definition(claim: Claim) -> dict[str, Any]:
    agent = {"name": "pixelsmile", "version": __version__}
    actions: list[dict[str, Any]] = [{"action": "c2pa.opened", "parameters": {"ingredientIds": [_SOURCE]}}]
    if claim.is_edited:
        edited = {"action": "c2pa.edited", "softwareAgent": agent, "description": claim.description}
        actions.append({**edited, "digitalSourceType": source_type_uri(claim.source_type)})
    if claim.is_edited and claim.is_marked:
        actions.append({"action": "c2pa.watermarked.unbound", "softwareAgent": agent})
    return {
        "title": claim.title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


@contextmanager
def _refusals(title: str) -> Iterator[None]:
    import c2pa

    try:
        yield
    except c2pa.C2paError as error:
        raise OutputError(f"{title} cannot be signed ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    """What the library says, without the addresses inside of the file."""
    return " ".join(re.sub(r"\(self#jumbf=\S*\)", "", str(error)).split())


def _read(store: Any) -> Credentials:
    """Of what the library tells, the active manifest; a stranger may have written anything in it."""
    store = _mapping(store)
    manifest = _mapping(_mapping(store.get("manifests")).get(str(store.get("active_manifest"))))
    signature = _mapping(manifest.get("signature_info"))
    problems = tuple(_problems(store))
    trusted = store.get("validation_state") == "Trusted"
    fits = store.get("validation_state") == "Valid"
    return Credentials(
        "trusted" if trusted else "untrusted" if fits else "broken",
        _text(signature.get("common_name")) or _text(signature.get("issuer")),
        _text(signature.get("issuer")),
        _text(signature.get("time")),
        _generator(manifest),
        tuple(_actions(manifest)),
        tuple(_text(_mapping(one).get("title")) or "?" for one in _items(manifest.get("ingredients"))),
        problems,
    )


def _problems(store: Mapping[str, Any]) -> Iterator[str]:
    seen = set()
    for status in _items(store.get("validation_status")):
        code = _text(_mapping(status).get("code")) or "?"
        if code == _UNTRUSTED or code in seen:  # which is a state of its own
            continue
        seen.add(code)
        meaning = _WORDS.get(code) or _text(_mapping(status).get("explanation")) or "?"
        yield f"{meaning} ({code})"


def _actions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for assertion in _items(manifest.get("assertions")):
        if str(_mapping(assertion).get("label")).startswith("c2pa.actions"):
            for action in _items(_mapping(_mapping(assertion).get("data")).get("actions")):
                source_type = _text(_mapping(action).get("digitalSourceType"))
                name = _text(_mapping(action).get("action")) or "?"
                yield name, source_type.rpartition("/")[2] if source_type else None


def _generator(manifest: Mapping[str, Any]) -> str | None:
    for one in _items(manifest.get("claim_generator_info")):
        words = [_text(_mapping(one).get(key)) for key in ("name", "version")]
        return " ".join(word for word in words if word) or None
    return _text(manifest.get("claim_generator"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value[:1000] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


__all__ = [
    "MEDIA_TYPES",
    "Claim",
    "Credentials",
    "has_credentials",
    "open_signer",
    "parent_of",
    "read_credentials",
    "signed",
]
