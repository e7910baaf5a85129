"""What a turn stands on: the question that is answered again, the reply that goes on, the place of a new message."""

from typing import Final

from msgspec import Struct

from lianhua.chat.messages import Message
from lianhua.errors import InvalidRequest
from lianhua.store.messages import MessageStore, Window

REPLIES_IN_A_ROW: Final = 32


class Send(Struct, frozen=True):
    """The next message. Below `parent_id`; "" is the beginning, None whatever is newest."""

    message: str
    parent_id: str | None = None


class Retry(Struct, frozen=True):
    """Another reply beside a reply, or one to a message of the user's."""

    message_id: str


class Edit(Struct, frozen=True):
    """Another message beside one of the user's."""

    message_id: str
    message: str


class Continue(Struct, frozen=True):
    """A reply that goes on from where another one was cut."""

    message_id: str


Act = Send | Retry | Edit | Continue


class Target(Struct, frozen=True):
    """`question` and `cut` are messages that are there already; without a question a new message comes below
    `parent_id` (None: below whatever is newest) and beside the message `beside`.
    """

    question: Message | None = None
    cut: Message | None = None
    parent_id: str | None = None
    beside: str = ""

    async def window(self, branches: MessageStore, conversation_id: str, user: str, limit: int) -> Window:
        """The newest `limit` messages before the question."""
        if self.question:
            return await branches.window(conversation_id, user, limit, before=self.question.id)
        if self.beside:
            return await branches.window(conversation_id, user, limit, before=self.beside)
        return await branches.window(conversation_id, user, limit, at=self.parent_id)


async def find_target(branches: MessageStore, conversation_id: str, user: str, act: Act) -> Target:
    """Raises `InvalidRequest` where the message that the act names is not there, or not of the right kind."""
    match act:
        case Send(parent_id=parent_id):
            return Target(parent_id=parent_id)
        case Edit(message_id=message_id):
            edited = await _message(branches, conversation_id, user, message_id, "edit")
            if edited.role != "user":
                raise InvalidRequest("edit", "only a message of the user's can be edited")
            return Target(parent_id=edited.parent_id or "", beside=edited.id)
        case Retry(message_id=message_id):
            answered = await _message(branches, conversation_id, user, message_id, "retry")
            if answered.role == "user":
                return Target(question=answered)
            return Target(question=await _question(branches, conversation_id, user, answered, "retry"))
        case Continue(message_id=message_id):
            cut = await _message(branches, conversation_id, user, message_id, "continue")
            if cut.role != "assistant" or not (cut.content or cut.reasoning):
                raise InvalidRequest("continue", "only a reply with a text or with thoughts can go on")
            return Target(question=await _question(branches, conversation_id, user, cut, "continue"), cut=cut)


async def _message(branches: MessageStore, conversation_id: str, user: str, message_id: str, field: str) -> Message:
    message = await branches.message(conversation_id, user, message_id)
    if message is None:
        raise InvalidRequest(field, "no such message in this conversation")
    return message


async def _question(branches: MessageStore, conversation_id: str, user: str, reply: Message, field: str) -> Message:
    """The message of the user's that a reply answers; imported ones may have several replies in a row."""
    message = reply
    for _ in range(REPLIES_IN_A_ROW):
        above = await branches.message(conversation_id, user, message.parent_id) if message.parent_id else None
        if above is None:
            break
        if above.role == "user":
            return above
        message = above
    raise InvalidRequest(field, "the message that it answers is not kept any more")
