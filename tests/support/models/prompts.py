"""Prompts as the service would build them, for tests of models."""

from lianhua.chat.messages import ContextAccount
from lianhua.chat.prompt import Prompt, PromptMessage


def prompt_of(*said: str, system: str = "You are kind.") -> Prompt:
    """A prompt in which user and assistant take turns, the user last."""
    messages = tuple(PromptMessage("assistant" if at % 2 else "user", content) for at, content in enumerate(said))
    return Prompt((PromptMessage("system", system), *messages), ContextAccount(1_000, 10, 0, ()))
