"""Judges: a question in (pictures, and words); scores or a mark out, or the reason why there are none.

    judge = ModelJudge(GeminiProvider("gemini-3.1-pro-preview"), budget=Budget(max_requests=500))
    with VerdictCache("verdicts.sqlite") as cache:
        run = JudgingRun(judge, [Sample("a", "a.png", "human")], cache=cache, max_concurrency=16)
        for judgement in run:
            print(judgement.key, judgement.outcome)
        print(run.stopped, run.left)

What speaks HTTP (extra `judges`) is loaded by the first request. `agreement` and `panel` are modules of
their own.
"""

from pixelsmile.judges.budget import Budget, Spending
from pixelsmile.judges.cache import VerdictCache, cache_key
from pixelsmile.judges.judge import BudgetSpentError, Judge, JudgeError, JudgeIdentity, QuestionRefusedError
from pixelsmile.judges.model_judge import ModelJudge
from pixelsmile.judges.pool import Judgement, JudgingRun, Sample
from pixelsmile.judges.providers import GeminiProvider, OpenAIProvider, Provider, ScriptedProvider
from pixelsmile.judges.question import Picture, Question, Target
from pixelsmile.judges.retry import RetryPolicy
from pixelsmile.judges.verdict import Mark, NoVerdict, Outcome, Verdict, outcome_from_json

__all__ = [
    "Budget",
    "BudgetSpentError",
    "GeminiProvider",
    "Judge",
    "JudgeError",
    "JudgeIdentity",
    "Judgement",
    "JudgingRun",
    "Mark",
    "ModelJudge",
    "NoVerdict",
    "OpenAIProvider",
    "Outcome",
    "Picture",
    "Provider",
    "Question",
    "QuestionRefusedError",
    "RetryPolicy",
    "Sample",
    "ScriptedProvider",
    "Spending",
    "Target",
    "Verdict",
    "VerdictCache",
    "cache_key",
    "outcome_from_json",
]
