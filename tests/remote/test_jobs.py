"""Jobs: written down before anybody asks about them, followed nowhere but home, paid for once."""

import asyncio
from decimal import Decimal

import pytest
from image_server import KEYS, PRICE, ImageServer, provider_at
from model_examples import HASTE, png_of
from model_server import negative

from pixelsmile.errors import InputError
from pixelsmile.remote import (
    BFLImages,
    Budget,
    BudgetSpentError,
    Client,
    JobLog,
    Limits,
    Prompt,
    RemoteError,
    RetryPolicy,
)
from pixelsmile.remote.bfl import BFL
from pixelsmile.remote.connection import Connection
from pixelsmile.remote.keys import is_of_hosts
from pixelsmile.remote.openai_images import one_picture
from pixelsmile.remote.replicate import REPLICATE

JOBS = ("bfl", "replicate")
PROMPT = Prompt((png_of(0), "smile"), sha256="a" * 64)
ONCE = RetryPolicy(1, 1)


@pytest.fixture(autouse=True)
def all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    monkeypatch.setattr("pixelsmile.remote.jobs.FIRST_WAIT_S", 0.01)


def at_first(fault: str | None, part: str):
    """The fault once, at the addresses with that part."""
    return lambda path, nth: fault if nth == 1 and part in path else None


def asked(provider, retry=HASTE, budget=None, prompt=PROMPT):
    async def ask():
        client = Client(provider, "editor", retry=retry, budget=budget)
        try:
            return await client.ask(prompt, one_picture)
        finally:
            await client.aclose()

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", JOBS)
def test_a_killed_run_asks_about_the_job_that_it_paid_for(kind, tmp_path):
    file = tmp_path / "jobs.jsonl"

    async def killed(server: ImageServer) -> None:
        provider = provider_at(kind, server.url, jobs=JobLog(file))
        task = asyncio.create_task(provider.ask(PROMPT))
        while not any(job.polls for job in server.jobs.values()):
            await asyncio.sleep(0.005)
        assert file.read_text().count('"key"') == 1, "it is on disk before it is asked about"
        task.cancel()
        await asyncio.wait([task])
        await provider.aclose()

    with ImageServer(latency_s=0.2) as server:
        asyncio.run(killed(server))
        budget = Budget(max_cost=Decimal(0))  # there is no money, and none is needed
        answered = asked(provider_at(kind, server.url, jobs=JobLog(file)), budget=budget)
        assert answered.value == negative(png_of(0))
        assert (server.met, budget.spending.used.cost) == ({"good": 1}, 0)
        other = Prompt((png_of(1), "smile"), sha256="b" * 64)
        with pytest.raises(BudgetSpentError):
            asked(provider_at(kind, server.url, jobs=JobLog(file)), budget=budget, prompt=other)


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_is_late_is_paid_for_once(kind):
    budget = Budget(max_cost=PRICE)
    with ImageServer(latency_s=0.5) as server:
        provider = provider_at(kind, server.url, timeout_s=0.2)
        late = asked(provider, ONCE, budget)
        assert late.reason == "unreachable"
        assert late.detail == "no picture within 0.2 s (it is still at work): the job is kept"
        assert asked(provider, HASTE, budget).value == negative(png_of(0))
        assert server.met == {"good": 1}
    assert budget.spending.used.cost == PRICE


def test_what_a_job_costs_is_what_the_server_says():
    budget = Budget(max_cost=Decimal("0.10"))
    with ImageServer(cost=1.7) as server:
        asked(provider_at("bfl", server.url), budget=budget)
    assert budget.spending.used.cost == Decimal("0.017")


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_is_forgotten_is_given_anew(kind, tmp_path):
    jobs = JobLog(tmp_path / "jobs.jsonl")
    with ImageServer() as server:
        path = "v1/get_result?id=" if kind == "bfl" else "v1/predictions/"
        jobs.write(PROMPT.sha256, f"{server.url}/{path}of-last-week")
        server.later = at_first("404" if kind == "replicate" else None, "of-last-week")
        assert asked(provider_at(kind, server.url, jobs=jobs)).value == negative(png_of(0))
        assert server.met == {"good": 1}


@pytest.mark.parametrize("kind", JOBS)
def test_a_picture_that_is_no_longer_there_is_given_anew(kind):
    def later(path: str, nth: int) -> str | None:
        return "403" if path == "/files/job-0.png" else None

    with ImageServer(later=later) as server:
        assert asked(provider_at(kind, server.url)).value == negative(png_of(0))
    assert server.met == {"good": 2}


@pytest.mark.parametrize("kind", JOBS)
def test_a_wrong_key_while_it_waits_stops_and_keeps_the_job(kind, tmp_path):
    jobs = JobLog(tmp_path / "jobs.jsonl")
    with ImageServer(later=at_first("401", "/v1/")) as server:
        provider = provider_at(kind, server.url, jobs=jobs)
        with pytest.raises(RemoteError, match="check the key"):
            asked(provider)
        assert provider.has_job(PROMPT)
        assert asked(provider).value == negative(png_of(0))
        assert server.met == {"good": 1}


@pytest.mark.parametrize("kind", JOBS)
def test_the_key_goes_to_questions_and_not_to_downloads(kind):
    name, value = {"bfl": ("x-key", "{}"), "replicate": ("authorization", "Bearer {}")}[kind]
    key = KEYS["BFL_API_KEY" if kind == "bfl" else "REPLICATE_API_TOKEN"]
    with ImageServer() as server:
        asked(provider_at(kind, server.url))
    (job,) = server.jobs.values()
    assert [headers[name] for headers in job.polls] == [value.format(key)]
    assert len(server.downloads) == 1
    assert key not in str(server.downloads)


@pytest.mark.parametrize("kind", JOBS)
def test_no_address_leads_away(kind):
    with ImageServer() as other, ImageServer() as server:
        server.sample = f"{other.url}/files/job-0.png"
        answered = asked(provider_at(kind, server.url), ONCE)
        assert answered.reason == "malformed"
        assert answered.detail == "the answer names an address at '127.0.0.1', which is not followed"
    assert (other.downloads, server.met) == ([], {"good": 1})


@pytest.mark.parametrize("kind", JOBS)
def test_no_job_is_asked_about_elsewhere(kind, tmp_path):
    jobs = JobLog(tmp_path / "jobs.jsonl")
    with ImageServer() as other, ImageServer() as server:
        server.home = other.url
        answered = asked(provider_at(kind, server.url, jobs=jobs), ONCE)
        assert answered.reason == "malformed"
        assert answered.detail == "the answer names an address at '127.0.0.1', which is not followed"
        server.home = None
        jobs.write(PROMPT.sha256, f"{other.url}/v1/predictions/job-0")  # somebody wrote it there
        assert asked(provider_at(kind, server.url, jobs=jobs)).value == negative(png_of(0))
    assert (other.met_later, server.met) == ({}, {"good": 2})


def test_where_the_services_may_send_us():
    def followed(service, address: str, hosts) -> bool:
        return Connection(service, None, None, 1.0)._is_followed(address, hosts)

    for address, is_home, is_delivery in (
        ("https://api.bfl.ai/v1/get_result?id=1", True, True),
        ("https://api.us1.bfl.ai/v1/get_result?id=1", True, False),
        ("https://delivery-eu1.bfl.ai/results/x/sample.png?sig=1", False, True),
        ("https://delivery.us2.bfl.ai/x", False, True),
        ("http://api.us1.bfl.ai/v1", False, False),
        ("https://api.us1.bfl.ai:8443/v1", False, False),
        ("https://api.x.y.bfl.ai/v1", False, False),
        ("https://evilbfl.ai/v1", False, False),
        ("https://delivery-eu1.bfl.ai.evil.com/x", False, False),
        ("https://api.us1.bfl.ai@evil.com/x", False, False),
        ("https://u:p@api.us1.bfl.ai/x", False, False),
        ("file:///etc/passwd", False, False),
        ("https://[", False, False),
        ("", False, False),
    ):
        assert followed(BFL, address, BFL.hosts) == is_home, address
        assert followed(BFL, address, BFL.delivery_hosts) == is_delivery, address
    assert is_of_hosts("https://pbxt.replicate.delivery/x.png", REPLICATE.delivery_hosts)
    assert is_of_hosts("https://replicate.delivery/x.png", REPLICATE.delivery_hosts)
    assert not is_of_hosts("https://replicate.delivery.evil.com/x.png", REPLICATE.delivery_hosts)
    # A server of one's own has no delivery hosts.
    own = Connection(BFL, "http://localhost:1", None, 1.0)
    assert own._is_followed("http://localhost:1/files/x.png", BFL.delivery_hosts)
    assert not own._is_followed("https://delivery-eu1.bfl.ai/x", BFL.delivery_hosts)


def test_a_download_has_bounds(monkeypatch):
    monkeypatch.setattr("pixelsmile.remote.connection.MAX_PICTURES_BYTES", 1000)
    with ImageServer() as server:
        answered = asked(provider_at("bfl", server.url), ONCE)
    assert answered.detail == "the answer is longer than 1,000 bytes"


def test_a_redirect_of_a_download_is_not_followed():
    class Redirecting(ImageServer):
        async def _get(self, writer, path, headers):
            if not path.startswith("/files/"):
                return await super()._get(writer, path, headers)
            lines = {"Location": f"{self.url}/elsewhere"}
            self.downloads.append({"path": path})
            return await self._write(writer, 302, lines, b"", None)

    with Redirecting() as server:
        answered = asked(provider_at("bfl", server.url), ONCE)
    assert answered.detail == "the address of a picture leads to another, which is not followed"
    assert server.downloads == [{"path": "/files/job-0.png"}]


def test_a_log_of_jobs(tmp_path):
    file = tmp_path / "jobs.jsonl"
    log = JobLog(file)
    assert log.read("k") is None
    assert not file.exists()
    log.write("k", "http://a")
    log.write("l", "http://b")
    log.write("k", None)
    log.write("", "http://c")
    log.close()
    with file.open("a") as lines:
        lines.write('{"key": "m", "addr')  # as a kill leaves it
    again = JobLog(file)
    assert [again.read(key) for key in ("k", "l", "m", "")] == [None, "http://b", None, None]
    again.write("m", "http://d")
    again.close()
    assert JobLog(file).read("m") == "http://d"
    file.write_text("no job\n")
    with pytest.raises(InputError, match="line 1"):
        JobLog(file).read("k")


def test_a_key_without_jobs_has_none():
    provider = BFLImages("m", limits=Limits())
    assert not provider.has_job(Prompt((png_of(0), "smile")))
