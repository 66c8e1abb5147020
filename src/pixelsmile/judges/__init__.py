"""Judges: a question in (pictures, and words); scores or a mark out, or the reason why there are none.

    judge = ModelJudge(GeminiProvider("gemini-3.1-pro-preview"), budget=Budget(max_requests=500))
    with VerdictCache("verdicts.sqlite") as cache:
        samples = [Sample("a", "a.png", "human")]
        run = Pool(samples, Asker(judge, cache).ask, judge.aclose, max_concurrency=16)
        for sample, judgement in run:
            print(sample.key, judgement.outcome)
        print(run.stopped, run.left)

Models, budgets and what goes wrong on the way to them are in `pixelsmile.remote`. The judges that need no
server, and `agreement`, are modules of their own.
"""

from pixelsmile.judges.judge import (
    Judge,
    JudgeIdentity,
    Mark,
    NoVerdict,
    Outcome,
    Question,
    Sample,
    Target,
    Verdict,
    is_final,
    outcome_from_json,
)
from pixelsmile.judges.model_judge import ModelJudge
from pixelsmile.judges.run import Asker, Judgement, VerdictCache, cache_key
from pixelsmile.remote import Budget, GeminiProvider, OpenAIProvider, Picture, Pool, RetryPolicy

__all__ = [
    "Asker",
    "Budget",
    "GeminiProvider",
    "Judge",
    "JudgeIdentity",
    "Judgement",
    "Mark",
    "ModelJudge",
    "NoVerdict",
    "OpenAIProvider",
    "Outcome",
    "Picture",
    "Pool",
    "Question",
    "RetryPolicy",
    "Sample",
    "Target",
    "Verdict",
    "VerdictCache",
    "cache_key",
    "is_final",
    "outcome_from_json",
]
