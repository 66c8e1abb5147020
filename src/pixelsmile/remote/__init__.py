"""Whatever stands behind an address: one client for models that write and for models that draw.

    client = Client(OpenAIProvider("gpt-5"), budget=Budget(max_requests=500))
    answered = await client.ask(Prompt((png, "What does this face show?")), lambda reply: reply.text)

A provider speaks one protocol: it makes a request of a prompt, and a reply or a failure of what comes back.
A new one is a file: a `Connection` with a server's address, its key and its header, and a reader of answers
(for a service that takes jobs, a `JobProvider` that reads their states).
`Client` asks again, waits, and keeps to a `Budget`; a `Pool` has many calls in flight; an `AnswerCache` pays
for nothing twice. What speaks HTTP (extra `judges`) is loaded by the first request.
"""

from pixelsmile.remote.ark import ArkImages
from pixelsmile.remote.bfl import BFLImages
from pixelsmile.remote.budget import Budget, Spending
from pixelsmile.remote.cache import AnswerCache
from pixelsmile.remote.client import Answered, Client, RetryPolicy, UnusableReplyError
from pixelsmile.remote.gemini import GeminiProvider
from pixelsmile.remote.gemini_images import GeminiImages
from pixelsmile.remote.jobs import JobLog
from pixelsmile.remote.keys import split_address
from pixelsmile.remote.openai_chat import OpenAIProvider
from pixelsmile.remote.openai_images import OpenAIImages
from pixelsmile.remote.picture import Picture
from pixelsmile.remote.pool import MAX_REFUSALS, Once, Pool, Refusals, in_step, merged
from pixelsmile.remote.provider import (
    NOTHING,
    BudgetSpentError,
    Failure,
    Limits,
    Prompt,
    Provider,
    RemoteError,
    Reply,
    RequestRefusedError,
    Usage,
)
from pixelsmile.remote.replicate import ReplicateImages
from pixelsmile.remote.scripted import ScriptedProvider

__all__ = [
    "MAX_REFUSALS",
    "NOTHING",
    "AnswerCache",
    "Answered",
    "ArkImages",
    "BFLImages",
    "Budget",
    "BudgetSpentError",
    "Client",
    "Failure",
    "GeminiImages",
    "GeminiProvider",
    "JobLog",
    "Limits",
    "Once",
    "OpenAIImages",
    "OpenAIProvider",
    "Picture",
    "Pool",
    "Prompt",
    "Provider",
    "Refusals",
    "RemoteError",
    "ReplicateImages",
    "Reply",
    "RequestRefusedError",
    "RetryPolicy",
    "ScriptedProvider",
    "Spending",
    "UnusableReplyError",
    "Usage",
    "in_step",
    "merged",
    "split_address",
]
