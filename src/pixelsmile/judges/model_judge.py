"""A judge made of a provider and a rubric: it asks, reads the answer, asks again, and keeps to the budget."""

import asyncio
import logging
import re
from contextlib import suppress
from random import Random

from pixelsmile.errors import one_line
from pixelsmile.judges.budget import Budget
from pixelsmile.judges.judge import BudgetSpentError, JudgeError, JudgeIdentity, QuestionRefusedError
from pixelsmile.judges.providers.provider import Failure, Provider, Reply
from pixelsmile.judges.question import Question
from pixelsmile.judges.retry import RetryPolicy
from pixelsmile.judges.rubrics import EXPRESSION_SCORES, MalformedAnswerError, Rubric
from pixelsmile.judges.rubrics.reading import ReadAnswer
from pixelsmile.judges.verdict import NoVerdict, Outcome, Reason
from pixelsmile.limits import shown

logger = logging.getLogger(__name__)

_LONG_WAIT_S = 5.0
_MAX_REFUSAL = 400  # characters of a refusal in words; what is longer may say more than no
_SORRY = r"(?:I[’']m |I am )?(?:very |really |so )?(?:sorry|unfortunately|my apologies|I apologi[sz]e)\b"
_NO = r"(?:can ?not|can[’']t|won[’']t|will not|am (?:not able|unable)|[’']m (?:not able|unable)|must decline)"
_REFUSAL = re.compile(rf"\W*(?:{_SORRY}[,.]? (?:but )?)?(?:as an? [\w ]{{1,40}}, )?I ?{_NO}\b", re.IGNORECASE)
_SEES_NOTHING = re.compile(
    r"\b(?:see|view|open|load|access|receive|display|find|no (?:image|picture|photo|attachment))\b",
    re.IGNORECASE,
)


class ModelJudge:
    """Asks a model each question, by a rubric.

    `generator` spreads the waits between requests and nothing else. Judges may share a `budget`. After a
    JudgeError (but for a QuestionRefusedError) or BudgetSpentError all other calls end with the same error,
    until `aclose`.
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
        self._provider = provider
        self._rubric = rubric
        self._retry = retry or RetryPolicy()
        self._budget = budget or Budget()
        self._generator = generator or Random()
        self._stop: JudgeError | BudgetSpentError | None = None
        self._stopped: asyncio.Event | None = None  # belongs to one event loop
        self._has_said_wait = False
        self.identity = JudgeIdentity(
            provider.name, provider.model, rubric.version, rubric.sha256, provider.parameters
        )

    async def judge(self, question: Question) -> Outcome:
        """What the rubric asks for, or why there is none.

        JudgeError or BudgetSpentError where the run is to stop; a QuestionRefusedError stops only this.
        """
        answers: list[Reply] = []
        num_failures = 0
        fault: tuple[Reason, str] = ("unreachable", "nothing was asked")
        for num_requests in range(1, self._retry.max_requests + 1):
            reply = await self._ask(question)
            if isinstance(reply, Failure):
                num_failures += not reply.at_once
                fault = ("unreachable", reply.detail)
            else:
                answers.append(reply)
                answer = self._read(reply)
                if not isinstance(answer, tuple):
                    return answer.outcome(self.identity.id, _transcript(answers))
                fault = answer
            if num_requests == self._retry.max_requests or len(answers) == self._retry.max_answers:
                break
            logger.info("%s: %s (%s), asking again", self.identity.id, *fault)
            await self._wait(reply, num_failures)
        reason, detail = fault
        return NoVerdict(self.identity.id, reason, one_line(detail), _transcript(answers))

    async def aclose(self) -> None:
        """Close the provider's connections, and forget why the judge stopped."""
        self._stop = self._stopped = None
        await self._provider.aclose()

    async def _ask(self, question: Question) -> Reply | Failure:
        """One request within the budget."""
        if self._stop is not None:
            raise self._stop
        try:
            reservation = await self._budget.reserve(self._provider.max_tokens(question, self._rubric))
        except BudgetSpentError as stop:
            self._halt(stop)
            raise
        num_tokens = None
        try:
            reply = await self._provider.ask(question, self._rubric)
            num_tokens = reply.num_tokens
        finally:
            reservation.settle(num_tokens)
        if isinstance(reply, Failure) and (reply.stops or reply.refused):
            raise self._unanswered(reply)
        return reply

    def _unanswered(self, failure: Failure) -> JudgeError | BudgetSpentError:
        """The error for a question that the server will not take, or for a judge that no question reaches."""
        server = self.identity.parameters.get("server", self.identity.provider)
        message = (
            f"the judge {shown(self.identity.model)} at {server} cannot be asked ({failure.detail}): "
            f"{failure.advice}"
        )
        if failure.refused:
            return QuestionRefusedError(message, failure.detail, failure.refused == "picture")
        return self._halt(JudgeError(message))

    def _read(self, reply: Reply) -> ReadAnswer | tuple[Reason, str]:
        if reply.fault is not None:
            return reply.fault, reply.detail
        try:
            return self._rubric.read(reply.text)
        except MalformedAnswerError as error:
            return ("refused", reply.text) if _declines(reply.text) else ("malformed", str(error))

    def _halt(self, stop: JudgeError | BudgetSpentError) -> JudgeError | BudgetSpentError:
        """Let everybody who waits know, and give back the error that was first."""
        self._stop = self._stop or stop
        if self._stopped is not None:
            self._stopped.set()
        return self._stop

    async def _wait(self, reply: Reply | Failure, num_failures: int) -> None:
        """Sleep before the next request, but no longer than until the judge stops."""
        if isinstance(reply, Reply) or reply.at_once:
            return
        if (reply.server_wait_s or 0.0) > self._retry.max_wait_s:
            raise self._halt(
                JudgeError(
                    f"the judge {self.identity.id} asks for {reply.server_wait_s:,.0f} s of patience "
                    f"({reply.detail}): run again later, what was judged is kept"
                )
            )
        wait_s = self._retry.wait_s(num_failures, self._generator, reply.server_wait_s)
        self._say_wait(reply, wait_s)
        self._stopped = self._stopped or asyncio.Event()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), wait_s)

    def _say_wait(self, failure: Failure, wait_s: float) -> None:
        """Once, where a server wishes for a wait that a person would notice."""
        if failure.server_wait_s is None or wait_s < _LONG_WAIT_S or self._has_said_wait:
            return
        self._has_said_wait = True
        logger.warning(
            "%s asks for a wait of %.0f s (%s): waiting",
            self.identity.id,
            failure.server_wait_s,
            failure.detail,
        )


def _declines(text: str) -> bool:
    """Whether words that are no answer politely say no; not where the model says that it sees no picture."""
    return (
        len(text) <= _MAX_REFUSAL
        and "{" not in text
        and bool(_REFUSAL.match(text))
        and not _SEES_NOTHING.search(text)
    )


def _transcript(answers: list[Reply]) -> tuple[str, ...]:
    return tuple(answer.transcript for answer in answers)
