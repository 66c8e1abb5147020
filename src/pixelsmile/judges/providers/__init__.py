"""Where models that judge are served, by the protocol that is spoken there."""

from pixelsmile.judges.providers.gemini import GeminiProvider
from pixelsmile.judges.providers.openai_compatible import OpenAIProvider
from pixelsmile.judges.providers.provider import Failure, Provider, Reply
from pixelsmile.judges.providers.scripted import ScriptedProvider

__all__ = ["Failure", "GeminiProvider", "OpenAIProvider", "Provider", "Reply", "ScriptedProvider"]
