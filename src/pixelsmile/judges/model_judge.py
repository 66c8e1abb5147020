"""A judge made of a model and a rubric: it shows the pictures, asks, and reads the answer."""

import asyncio
import dataclasses
import re
from random import Random

from pixelsmile.judges.judge import (
    JudgeIdentity,
    Mark,
    NoVerdict,
    Outcome,
    Question,
    Statistics,
    Verdict,
)
from pixelsmile.judges.rubrics import EXPRESSION_SCORES, Rubric
from pixelsmile.remote import Budget, Client, Prompt, Provider, Reply, RetryPolicy, UnusableReplyError
from pixelsmile.remote.provider import Part

_MAX_REFUSAL = 400  # characters of a refusal in words; what is longer may say more than no
_SORRY = r"(?:I[’']m |I am )?(?:very |really |so )?(?:sorry|unfortunately|my apologies|I apologi[sz]e)\b"
_NO = r"(?:can ?not|can[’']t|won[’']t|will not|am (?:not able|unable)|[’']m (?:not able|unable)|must decline)"
_REFUSAL = re.compile(rf"\W*(?:{_SORRY}[,.]? (?:but )?)?(?:as an? [\w ]{{1,40}}, )?I ?{_NO}\b", re.IGNORECASE)
_SEES_NOTHING = re.compile(
    r"\b(?:see|view|open|load|access|receive|display|find|no (?:image|picture|photo|attachment))\b",
    re.IGNORECASE,
)


class ModelJudge:
    """Asks a model each question, by a rubric. All domains are asked the same, as in the paper.

    The rest is as for `remote.Client`, with the same errors.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        rubric: Rubric = EXPRESSION_SCORES,
        retry: RetryPolicy | None = None,
        budget: Budget | None = None,
        generator: Random | None = None,
    ) -> None:
        self._rubric = rubric
        self._client = Client(provider, "judge", retry=retry, budget=budget, generator=generator)
        self.identity = JudgeIdentity(
            provider.name, provider.model, rubric.version, rubric.sha256, provider.parameters
        )

    async def judge(self, question: Question) -> Outcome:
        """What the rubric asks for, or why there is none. Errors as `remote.Client.ask`."""
        prompt = await asyncio.to_thread(self.prompt, question)
        answered = await self._client.ask(prompt, self._read)
        if answered.reason is not None or answered.value is None:
            return NoVerdict(
                self.identity.id, answered.reason or "empty", answered.detail, answered.transcript
            )
        return dataclasses.replace(answered.value, judge=self.identity.id, transcript=answered.transcript)

    def prompt(self, question: Question) -> Prompt:
        """What goes over the wire: pictures after their captions, then the rubric with the words."""
        return Prompt(self._parts(question), self._rubric.answer_schema, question.sha256)

    async def aclose(self) -> None:
        """Close the provider's connections, and forget why the judge stopped."""
        await self._client.aclose()

    def _parts(self, question: Question) -> tuple[Part, ...]:
        limits = self._client.provider.limits
        if limits is None:
            return ()
        parts: list[Part] = []
        for caption, picture in question.pictures.items():
            if caption:
                parts.append(f"{caption}:")
            parts.append(picture.png(limits.max_side_px))
        return (*parts, self._rubric.prompt(question.words))

    def _read(self, reply: Reply) -> Verdict | Mark | Statistics:
        try:
            return self._rubric.read(reply.text)
        except UnusableReplyError:
            if _declines(reply.text):
                raise UnusableReplyError(reply.text, "refused") from None
            raise


def _declines(text: str) -> bool:
    """Whether words that are no answer politely say no; not where the model says that it sees no picture."""
    return (
        len(text) <= _MAX_REFUSAL
        and "{" not in text
        and bool(_REFUSAL.match(text))
        and not _SEES_NOTHING.search(text)
    )
