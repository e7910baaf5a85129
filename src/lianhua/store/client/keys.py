"""The names of every key. The braces are the hash tag: in a Cluster all keys of one conversation live in one slot."""

from typing import Final

PREFIX: Final = "lianhua"


class ConversationKeys:
    """The keys of one conversation. Those of `lasting` expire together; a turn's working keys expire by themselves."""

    def __init__(self, conversation_id: str) -> None:
        base = f"{PREFIX}:{{{conversation_id}}}"
        self.meta = base
        self.messages = f"{base}:messages"
        self.order = f"{base}:order"
        self.turns = f"{base}:turns"
        self.idempotency = f"{base}:idempotency"
        self.lingering = f"{base}:lingering"  # turns whose working keys still exist
        self.tree = f"{base}:tree"  # `c:PARENT` to its children's ids, `b:BRANCH` to where it forks and ends
        self.ngrams = f"{base}:grams"  # what the search asks before it reads a conversation
        self.erased = f"{base}:erased"  # for a day: hashes of the idempotency keys whose messages were cleared

    @property
    def lasting(self) -> list[str]:
        """All but what a turn works with, in the order that the scripts take them."""
        return [
            self.meta,
            self.messages,
            self.order,
            self.turns,
            self.idempotency,
            self.lingering,
            self.tree,
            self.ngrams,
        ]

    def log(self, turn_id: str) -> str:
        return f"{self.meta}:log:{turn_id}"

    def text(self, turn_id: str) -> str:
        return f"{self.meta}:text:{turn_id}"

    def reasoning(self, turn_id: str) -> str:
        return f"{self.meta}:reasoning:{turn_id}"

    def working(self, turn_id: str) -> list[str]:
        return [self.log(turn_id), self.text(turn_id), self.reasoning(turn_id)]


def list_keys(owner: str) -> list[str]:
    """A user's conversations by last activity, which of them are pinned, and what has lately happened to them.

    The first one is also the channel on which the user's tabs are told to look.
    """
    base = f"{PREFIX}:{{user:{owner}}}"
    return [f"{base}:conversations", f"{base}:pinned", f"{base}:feed"]


def erased_key(owner: str) -> str:
    """For a day: hashes of the ids of a user's conversations that were deleted."""
    return f"{PREFIX}:{{user:{owner}}}:erased"


def account_key(name: str) -> str:
    """The account of a user, with the digests of what they log in with."""
    return f"{PREFIX}:{{user:{name}}}:account"


def worker_channel(worker: str) -> str:
    """Where a worker hears which of its turns are to stop."""
    return f"{PREFIX}:{{worker:{worker}}}"


ACCOUNTS_CHANNEL: Final = f"{PREFIX}:{{accounts}}"  # where every process hears whose login has changed
