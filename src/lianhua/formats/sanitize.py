"""What a file of ours may hold that the store had better not: names that nobody can read, figures beyond all counting.

A model's server may have said such a thing, so an export of ours may hold it: it is mended and counted, not refused.
"""

from msgspec.structs import replace

from lianhua.chat.messages import Spent, Usage
from lianhua.chat.personas import DEFAULT_ROLE, OwnPersona
from lianhua.chat.plain_text import CONTROL_CHARACTERS, CONTROL_CHARACTERS_IN_NAMES
from lianhua.errors import InvalidRequest
from lianhua.formats.report import Tally
from lianhua.formats.values import TOKENS, PortableConversation, PortableMessage


def plain(text: str, tally: Tally) -> str:
    """A text without control characters but tab and line ends."""
    cleaned, removed = CONTROL_CHARACTERS.subn("", text)
    tally.skip("character", "control", count=removed)
    return cleaned


def plain_name(name: str, tally: Tally) -> str:
    """A name without any control character."""
    cleaned, removed = CONTROL_CHARACTERS_IN_NAMES.subn("", name)
    tally.skip("character", "control", count=removed)
    return cleaned


def mended(conversation: PortableConversation, tally: Tally) -> PortableConversation:
    """A conversation of a file of ours, as far as its names and figures go, and what its user has typed."""
    return replace(
        conversation,
        title=plain(conversation.title, tally),
        role=plain_name(conversation.role, tally) or DEFAULT_ROLE,
        model=plain_name(conversation.model or "", tally) or None,
        usage=_sums(conversation.usage, tally),
        messages=tuple(_message(message, tally) for message in conversation.messages),
    )


def mended_persona(persona: OwnPersona, where: str, tally: Tally) -> OwnPersona:
    """A persona of a file of ours. Raises `InvalidRequest` where nothing is left of its prompt."""
    found = replace(
        persona,
        name=plain(persona.name, tally) or persona.id,
        icon=plain(persona.icon, tally),
        description=plain(persona.description, tally),
        prompt=plain(persona.prompt, tally),
        welcome=plain(persona.welcome, tally),
        suggestions=tuple(plain(suggestion, tally) for suggestion in persona.suggestions),
        model=plain_name(persona.model or "", tally) or None,
    )
    if not found.prompt:
        raise InvalidRequest(f"{where}.prompt", "holds nothing but control characters")
    return found


def mended_settings(settings: dict[str, str], tally: Tally) -> dict[str, str]:
    """What the user has set, without what nothing is left of."""
    named = {plain_name(name, tally): plain_name(value, tally) for name, value in settings.items()}
    return {name: value for name, value in named.items() if name and value}


def mended_usage(usage: Usage, tally: Tally) -> Usage:
    """The tokens of a reply."""
    bounded = replace(
        usage,
        prompt_tokens=_bounded(usage.prompt_tokens),
        completion_tokens=_bounded(usage.completion_tokens),
        cached_tokens=_bounded(usage.cached_tokens),
    )
    tally.skip("usage", "mended", count=bounded != usage)
    return bounded


def _message(message: PortableMessage, tally: Tally) -> PortableMessage:
    """What a person has typed holds no control characters; what a model has said may."""
    mended = message
    if message.role == "user" and CONTROL_CHARACTERS.search(message.content):
        mended = replace(mended, content=plain(message.content, tally))
    names = (message.model, message.persona, message.code, message.finish_reason)
    if any(CONTROL_CHARACTERS_IN_NAMES.search(name) for name in names if name):
        model, persona, code, reason = (plain_name(name or "", tally) or None for name in names)
        mended = replace(mended, model=model, persona=persona, code=code, finish_reason=reason)
    if message.usage:
        mended = replace(mended, usage=mended_usage(message.usage, tally))
    return mended


def _sums(usage: dict[str, Spent], tally: Tally) -> dict[str, Spent]:
    """The sums by model; where two names are one now, those of the last."""
    sums: dict[str, Spent] = {}
    for model, spent in usage.items():
        name = plain_name(model, tally)
        bounded = Spent(
            _bounded(spent.turns), _bounded(spent.prompt), _bounded(spent.completion), _bounded(spent.estimated)
        )
        tally.skip("usage", "mended", count=bounded != spent or not name or name in sums)
        if name:
            sums[name] = bounded
    return sums


def _bounded(count: int) -> int:
    return min(max(count, 0), TOKENS)
