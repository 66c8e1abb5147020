"""The services of models that edit pictures: what a person writes for each, and who speaks its protocol.

A new one is a line of IMAGE_SERVICES. The table is data: what speaks to a service is loaded when it is asked.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.editors.remote import RemoteSettings
    from pixelsmile.remote import Provider

JOBS_NAME = "jobs.jsonl"
_ADDRESSED = re.compile(r"(?P<model>.+?)@(?P<address>https?://.*)", re.DOTALL)


@dataclass(frozen=True)
class ImageService:
    """form: how its models are written; any of them may have @ADDRESS, of another server that speaks alike.

    about: what it is, and where its key comes from. sizes: that it takes. provider: its class in
    `pixelsmile.remote`. takes_jobs: it answers later, and what it has taken is kept in JOBS_NAME.
    """

    form: str
    about: str
    sizes: str
    provider: str
    takes_jobs: bool = False


IMAGE_SERVICES = {
    "openai-images": ImageService(
        "openai-images:MODEL@ADDRESS",
        "vLLM-Omni, SGLang; alone OpenAI (OPENAI_API_KEY)",
        "WxH, auto",
        "OpenAIImages",
    ),
    "gemini-images": ImageService(
        "gemini-images:MODEL", "Nano Banana (GEMINI_API_KEY)", "1K, 2K, 4K, 3:4", "GeminiImages"
    ),
    "bfl": ImageService(
        "bfl:MODEL",
        "FLUX.2, FLUX.1 Kontext (BFL_API_KEY)",
        "WxH, 3:4",
        "BFLImages",
        takes_jobs=True,
    ),
    "ark": ImageService("ark:MODEL", "Seedream (ARK_API_KEY)", "WxH, 1K, 2K, 4K", "ArkImages"),
    "replicate": ImageService(
        "replicate:OWNER/NAME",
        "SeedEdit and others (REPLICATE_API_TOKEN)",
        "by --extra",
        "ReplicateImages",
        takes_jobs=True,
    ),
}


def service_lines() -> str:
    """A line for each service, for people."""
    lines = (f"  {one.form:<28}{one.about}; sizes: {one.sizes}" for one in IMAGE_SERVICES.values())
    return "\n".join(lines)


def provider_of(kind: str, named: str, settings: "RemoteSettings", folder: Path) -> "Provider":
    """The model that MODEL or MODEL@ADDRESS names at a service. folder: gets the jobs that it takes.

    RemoteError for no key, or for no address; InputError for a budget of money without a price.
    """
    from pixelsmile import remote

    if settings.max_cost is not None and not settings.price:
        raise InputError(
            "a budget of money (max-cost) needs the price of an edit, which no server tells before: give the "
            "most that one may cost as price, in dollars"
        )
    service = IMAGE_SERVICES[kind]
    addressed = _ADDRESSED.fullmatch(named)
    provider: Provider = getattr(remote, service.provider)(
        addressed["model"] if addressed else named,
        base_url=addressed["address"] if addressed else None,
        key_env=settings.key_env,
        size=settings.size,
        settings=settings.extra,
        limits=remote.Limits(timeout_s=settings.timeout_s, max_output_tokens=0, price=settings.price),
        **({"jobs": remote.JobLog(folder / JOBS_NAME)} if service.takes_jobs else {}),
    )
    return provider
