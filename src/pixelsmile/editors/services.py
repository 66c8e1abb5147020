"""The services of models that edit pictures: what a person writes for each, and who speaks its protocol.

A new one is an entry of `table.yaml`. What speaks to a service is loaded when it is asked.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.editors.table import image_services
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.editors.remote import RemoteSettings
    from pixelsmile.remote import Provider

JOBS_NAME = "jobs.jsonl"


def service_lines() -> str:
    """A line for each service, for people."""
    lines = (
        f"  {one.form:<28}{one.about} ({one.key}); sizes: {one.sizes}" for one in image_services().values()
    )
    return "\n".join(lines)


def provider_of(kind: str, named: str, settings: "RemoteSettings", folder: Path) -> "Provider":
    """The model that MODEL or MODEL@ADDRESS names at a service. folder: gets the jobs that it takes.

    RemoteError for no key, or for an address that is none; InputError for a budget of money without a price.
    """
    from pixelsmile import remote

    if settings.max_cost is not None and not settings.price:
        raise InputError(
            "a budget of money (max-cost) needs the price of an edit, which no server tells before: give the "
            "most that one may cost as price, in dollars (--price 0.20; generate.price of a data set)"
        )
    service = image_services()[kind]
    model, address = remote.split_address(named)
    provider: Provider = getattr(remote, service.provider)(
        model,
        base_url=address,
        key_env=settings.key_env,
        size=settings.size,
        settings=settings.extra,
        limits=remote.Limits(timeout_s=settings.timeout_s, max_output_tokens=0, price=settings.price),
        **({"jobs": remote.JobLog(folder / JOBS_NAME)} if service.takes_jobs else {}),
    )
    return provider
