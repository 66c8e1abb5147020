"""Repositories of weights on the hub: at which commit they are used, fetched, and found to be whole.

Commits, sizes and checksums are those that the hub states (git-lfs); of Lightning and CLIP, as several others
have recorded them, all alike. Where one is not known here, that is said: then the newest is fetched, and what
came is recorded. The hub's own cache keeps the files; a download that was cut off goes on where it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixelsmile.errors import InputError, ModelError
from pixelsmile.limits import Refusal
from pixelsmile.store.weight_hashes import remembered_sha256

State = Literal["absent", "incomplete", "damaged", "ready"]

MODEL_PATTERNS = ("*.json", "*.safetensors", "*/merges.txt", "*/*.jinja")


@dataclass(frozen=True)
class Licence:
    """commercial: whether the weights may be used so. terms: in a few words; url: all of them."""

    name: str
    commercial: bool
    terms: str
    url: str


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository, as the hub states it."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Repository:
    """A repository. revision: the commit that is used, or a branch that moves (see `is_pinned`).

    patterns: the files that are fetched. files: those of them whose size and checksum are known here; without
    any, only that something is there can be told (of a base, whether it could be loaded: `folders` tells).
    """

    name: str
    repository: str
    revision: str
    summary: str
    used_by: str
    licence: Licence
    patterns: tuple[str, ...]
    files: tuple[RemoteFile, ...] = ()

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit: such a one never changes."""
        return len(self.revision) == 40

    @property
    def url(self) -> str:
        """Where a browser sees it."""
        return f"https://huggingface.co/{self.repository}/tree/{self.revision}"

    @property
    def size_bytes(self) -> int:
        """Of the files that are known."""
        return sum(file.size_bytes for file in self.files)

    def folder(self) -> Path | None:
        """Where it lies on this machine, whole or not; None: nowhere."""
        return downloaded(self.repository, self.revision)

    def state(self) -> State:
        """By names and sizes alone: nothing is read. `check` reads."""
        folder = self.folder()
        if folder is None:
            return "absent"
        return "incomplete" if any(_is_missing(folder / file.path, file) for file in self.files) else "ready"

    def check(self) -> Iterator[tuple[RemoteFile, State]]:
        """Each known file with its state, all bytes read (unless their hash is remembered)."""
        folder = self.folder()
        for file in self.files:
            if folder is None or not (folder / file.path).is_file():
                yield file, "absent"
            elif _is_missing(folder / file.path, file):
                yield file, "incomplete"
            else:
                whole = remembered_sha256((folder / file.path).resolve()) == file.sha256
                yield file, "ready" if whole else "damaged"

    def fetch(self, revision: str | None = None) -> Path:
        """Download what is missing; the folder. revision: another one than that of the table. ModelError."""
        asked = self.repository if revision is None else f"{self.repository}@{revision}"
        return fetched(asked, self.patterns, f"{self.name} ")


def _is_missing(path: Path, file: RemoteFile) -> bool:
    return not path.is_file() or path.stat().st_size != file.size_bytes


_ALLOWED = "commercial use allowed"
_QWEN = "Qwen/Qwen-Image-Edit-2511"
_QWEN_21 = "Qwen/Qwen-Image-2.1"
RESEARCH_ONLY = Licence(
    "Qwen Research License",
    False,
    "for research and evaluation alone, not for commercial use",
    f"https://huggingface.co/{_QWEN_21}/blob/main/LICENSE",
)


def _lightning(num_steps: int, sha256: str) -> Repository:
    """The adapter of a preset: one file of a repository that has several."""
    repository = "lightx2v/Qwen-Image-Edit-2511-Lightning"
    file = f"Qwen-Image-Edit-2511-Lightning-{num_steps}steps-V1.0-bf16.safetensors"
    return Repository(
        name=f"lightning-{num_steps}",
        repository=repository,
        revision="d74eba145674fd7e31b949324e148e21e7118abd",
        summary=f"an adapter that was distilled for {num_steps} steps without guidance, beside PixelSmile's",
        used_by=f"--preset lightning-{num_steps}",
        licence=Licence("Apache-2.0", True, _ALLOWED, f"https://huggingface.co/{repository}"),
        patterns=(file,),
        files=(RemoteFile(file, 849_608_296, sha256),),
    )


_REPOSITORIES = (
    Repository(
        name="qwen-image-edit-2511",
        repository=_QWEN,
        revision="6f3ccc0b56e431dc6a0c2b2039706d7d26f22cb9",
        summary="the base of the paper's model, 20.4 billion weights, with its text encoder and autoencoder",
        used_by="--model " + _QWEN,
        licence=Licence("Apache-2.0", True, _ALLOWED, f"https://huggingface.co/{_QWEN}"),
        patterns=MODEL_PATTERNS,
        files=(
            RemoteFile(
                "text_encoder/model-00001-of-00004.safetensors",
                4_968_243_304,
                "d725335e4ea2399be706469e4b8807716a8fa64bd03468252e9f7acf2415fee4",
            ),
            RemoteFile(
                "text_encoder/model-00002-of-00004.safetensors",
                4_991_495_816,
                "b1830db6908dcc76df3a71492acbcf2b8cac130114cf1f3c2d9edae8de8c6de3",
            ),
            RemoteFile(
                "text_encoder/model-00003-of-00004.safetensors",
                4_932_751_040,
                "09c1807c6d00d7cab94f7db39d4c02ebb8537225ccde383861ac48db97945aa6",
            ),
            RemoteFile(
                "text_encoder/model-00004-of-00004.safetensors",
                1_691_924_384,
                "5dd068336d14d45ffb43cef374d286cc6ba9d8741b028f90a7d040d847961f4a",
            ),
            RemoteFile(
                "transformer/diffusion_pytorch_model-00001-of-00005.safetensors",
                9_973_578_592,
                "2a0c30c9ba44a5f11c21ca139e37951430bbde814ff4e0b5b1a68b80530e7a1a",
            ),
            RemoteFile(
                "transformer/diffusion_pytorch_model-00002-of-00005.safetensors",
                9_987_326_072,
                "54ec249b07b4376e19cf16b764054f03ca03ae2cfbd9939453e2085f4e9bd259",
            ),
            RemoteFile(
                "transformer/diffusion_pytorch_model-00003-of-00005.safetensors",
                9_987_307_440,
                "c55157843525653161e8f6af5acc670ba3aceff04284f7cf657199d24d065e16",
            ),
            RemoteFile(
                "transformer/diffusion_pytorch_model-00004-of-00005.safetensors",
                9_930_685_712,
                "ffcfb5a4895702635890a67bad183591e0ae515d794bdcb26e217b27a7f6d12d",
            ),
            RemoteFile(
                "transformer/diffusion_pytorch_model-00005-of-00005.safetensors",
                982_130_472,
                "2b2556b736629e10a5a0dfa14606f2057f4f81c2ba53f94103682c7ac42d4940",
            ),
            RemoteFile(
                "vae/diffusion_pytorch_model.safetensors",
                253_806_966,
                "0c8bc8b758c649abef9ea407b95408389a3b2f610d0d10fcb054fe171d0a8344",
            ),
        ),
    ),
    Repository(
        name="qwen-image-2.1",
        repository=_QWEN_21,
        revision="b3179ad355be050328e483a9dfdd9e60cd62adfa",
        summary="a smaller base, 7 billion weights, with its text encoder and autoencoder; for which no "
        "PixelSmile adapter was published",
        used_by="--model " + _QWEN_21,
        licence=RESEARCH_ONLY,
        patterns=MODEL_PATTERNS,
    ),
    Repository(
        name="pixelsmile",
        repository="PixelSmile/PixelSmile",
        revision="c9a15a2f544f1af6c3daa38800f54388099bb21a",
        summary="the authors' adapter, a preview, for people: rank 64, twelve layers a block, without alpha",
        used_by="--adapter PixelSmile/PixelSmile",
        licence=Licence("Apache-2.0", True, _ALLOWED, "https://huggingface.co/PixelSmile/PixelSmile"),
        patterns=("*.safetensors", "*.json"),
        files=(
            RemoteFile(
                "PixelSmile-preview.safetensors",
                849_543_736,
                "9bb2f7981e8cd59a5d6e31c2ca08cc0961ac46c267b81af9bce7f8d542ca319a",
            ),
        ),
    ),
    _lightning(4, "22226e8d05d354bb356627d428809f5afd7819399b077238a2b70a82883a904f"),
    _lightning(8, "a9e81a58a78f260f67b337a6f615e8fa4cd3bc79847c77b7d61a581b789b1ba8"),
    Repository(
        name="clip",
        repository="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
        summary="CLIP ViT-L/14, whose vision tower sees people in the contrastive term of a training",
        used_by="train human",
        licence=Licence("MIT", True, _ALLOWED, "https://github.com/openai/CLIP/blob/main/LICENSE"),
        patterns=("*.json", "model.safetensors"),
        files=(
            RemoteFile(
                "model.safetensors",
                1_710_540_580,
                "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
            ),
        ),
    ),
    Repository(
        name="danbooru-clip",
        repository="OysterQAQ/DanbooruCLIP",
        revision="refs/pr/1",
        summary="DanbooruCLIP, the same for anime; its main branch has a pickle alone, which is never loaded",
        used_by="train anime",
        licence=Licence(
            "none stated", False, "its card names no licence", "https://huggingface.co/OysterQAQ/DanbooruCLIP"
        ),
        patterns=("*.json", "model.safetensors"),
    ),
)
REPOSITORIES = {entry.name: entry for entry in _REPOSITORIES}
_BY_ID = {entry.repository.lower(): entry for entry in _REPOSITORIES}


def canonical(repository: str) -> str:
    """A hub id of the table as its owner writes it, others as they are: the hub takes any case."""
    entry = _BY_ID.get(repository.lower())
    return repository if entry is None else entry.repository


def pinned(repository: str) -> str | None:
    """The revision at which a hub id is used where nobody names another; None: the newest."""
    entry = _BY_ID.get(repository.lower())
    return None if entry is None else entry.revision


def revision_of(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and len(folder.name) == 40 else None


def downloaded(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a revision (None: that of the table, else main) in the hub's cache, whole or not."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not (Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}").is_dir():
        return None
    try:
        wanted = revision or pinned(repository)
        return Path(snapshot_download(repository, revision=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def check_accepted(repository: str) -> None:
    """ModelError for weights that restrict their use and are not here: who accepts that, fetches them."""
    name, _, revision = repository.partition("@")
    name, entry = canonical(name), _BY_ID.get(name.lower())
    if entry is None or entry.licence.commercial or downloaded(name, revision or None) is not None:
        return
    other = f" --revision {revision}" if revision else ""
    raise ModelError(
        f"{name} is {entry.licence.terms} ({entry.licence.name}): read {entry.licence.url}, then pixelsmile "
        f"models fetch {entry.name}{other} --accept-licence"
    )


def fetched(repository: str, patterns: Sequence[str], what: str = "", *, error: Refusal = ModelError) -> Path:
    """A hub repository's folder on this machine, with the files of these patterns, which are fetched once.

    repository: `owner/name`, or `owner/name@REVISION` for a commit, a tag or a branch; without one it is that
    of the table, or else main. `error` where that fails; what: is said before the repository's name.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RevisionNotFoundError

    name, _, revision = repository.partition("@")
    name, revision = canonical(name), revision or pinned(name) or ""
    try:
        with _without_retries_told():
            return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(patterns)))
    except HFValidationError:
        raise error(f"{repository!r} is neither a folder nor a hub id: give one of them") from None
    except GatedRepoError as failure:
        raise error(
            f"{what}{name!r} is gated: accept its licence at https://huggingface.co/{name}, then type "
            "`hf auth login` and the same command again"
        ) from failure
    except RevisionNotFoundError as failure:
        raise error(f"{what}{name!r} has no revision {revision!r}: check it") from failure
    except Exception as failure:  # the hub client raises errors of several libraries
        raise error(
            f"cannot fetch {what}{repository!r} from the hub ({type(failure).__name__}): check the name and "
            f"the network, or give a folder{_other_revision(name, revision)}"
        ) from failure


@contextmanager
def _without_retries_told() -> Iterator[None]:
    """For the block: no line of the hub's client for each of its tries, which one error sums up."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _other_revision(name: str, revision: str) -> str:
    """What to add where another revision is here."""
    other = downloaded(name, "main") if revision else None
    commit = None if other is None else revision_of(other)
    return "" if commit in (None, revision) else f", or {name}@{commit}, which is here"


def check_revision(revision: str) -> None:
    """InputError for what cannot be one."""
    if not revision or any(letter.isspace() for letter in revision) or len(revision) > 100:
        raise InputError(f"revision {revision!r} is none: give a commit, a tag or a branch")
