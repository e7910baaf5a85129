"""Reasoning that stands inside a reply, between tags before what the reply says: as the two texts that these are."""

import re
from typing import Final

# As models write them: DeepSeek and Qwen, Anthropic's prompts, Mistral, Kimi. Only before anything else: further on
# they are what somebody talks about.
_OPENING = re.compile(r"\s*+(?:<(think|thinking|thought|reasoning|seed:think)>|(\[THINK\])|(◁think▷))")
_BRACKETS: Final = {"[THINK]": "[/THINK]", "◁think▷": "◁/think▷"}
# As LibreChat writes them: up to the first line that closes what it has opened.
_DIRECTIVE = re.compile(r"\s*+:::thinking[ \t]*\n((?:(?!:::[ \t]*$).*+\n)*+):::[ \t]*$", re.MULTILINE)
# The template has written the opening tag, so the reply begins inside. On a line of its own, or nobody can tell.
_CLOSING_ALONE = re.compile(r"^</(?:think|thinking)>[ \t]*$", re.MULTILINE)


def without_thoughts(text: str) -> tuple[str, str]:
    """What a reply says, and the reasoning before it. A tag that is never closed is text."""
    thoughts: list[str] = []
    start = 0
    if directive := _DIRECTIVE.match(text):
        thoughts.append(directive[1].strip())
        start = directive.end()
    while found := _OPENING.match(text, start):
        closing = f"</{found[1]}>" if found[1] else _BRACKETS[found[2] or found[3]]
        end = text.find(closing, found.end())
        if end < 0:
            break
        thoughts.append(text[found.end() : end].strip())
        start = end + len(closing)
    if not start and (alone := _alone(text)):
        thoughts.append(text[: alone.start()].strip())
        start = alone.end()
    if not start:
        return text, ""
    return text[start:].lstrip(), "\n\n".join(thought for thought in thoughts if thought)


def _alone(text: str) -> re.Match[str] | None:
    """Where a closing tag stands that none has opened, and no code before it that could speak of it."""
    if text.lstrip().startswith("<think"):
        return None
    found = _CLOSING_ALONE.search(text)
    return found if found and "```" not in text[: found.start()] else None
