"""A user's conversations: made, listed, changed, erased, followed; their messages and branches."""

import contextlib
import uuid

from lianhua.chat.messages import Conversation
from lianhua.chat.personas import DEFAULT_ROLE
from lianhua.chat.turn import TurnRef
from lianhua.errors import ConversationNotFound, TurnNotFound
from lianhua.models.catalog import Catalog
from lianhua.store.changes import Change, Changes
from lianhua.store.client.pubsub import PubSub
from lianhua.store.conversations import ConversationPage, ConversationStore
from lianhua.store.messages import MessagePage, MessageStore, Placed
from lianhua.store.preferences import NOTHING_PREFERRED, PreferenceStore
from lianhua.streams.changes import Feed
from lianhua.turns.finalize import Finalizer, title_token
from lianhua.turns.personas import AvailablePersonas
from lianhua.turns.service import TurnService


class ConversationService:
    """Every call names the user it is for, and meets only what is that user's. Raises what `errors` lists."""

    def __init__(
        self,
        conversations: ConversationStore,
        branches: MessageStore,
        personas: AvailablePersonas,
        catalog: Catalog,
        preferences: PreferenceStore,
        turns: TurnService,
        finalizer: Finalizer,
        changes: Changes,
        pubsub: PubSub,
    ) -> None:
        self._conversations = conversations
        self._branches = branches
        self._personas = personas
        self._catalog = catalog
        self._preferences = preferences
        self._turns = turns
        self._finalizer = finalizer
        self._changes = changes
        self._pubsub = pubsub

    async def create(self, user: str, role: str | None, model: str | None, title: str = "") -> Conversation:
        """A new conversation. Where no persona or model is named, with what the user prefers, else with the server's
        default.
        """
        preferred = await self._preferences.get(user) if role is None or model is None else NOTHING_PREFERRED
        if role is not None:
            persona = await self._personas.get(user, role)
        else:
            persona = await self._personas.get_or_default(user, preferred.default_role or DEFAULT_ROLE)
        if model is not None:
            self._catalog.get(model)
        elif persona.model not in self._catalog and preferred.default_model in self._catalog:
            model = preferred.default_model  # the persona's own goes before what is preferred for all of them
        conversation = await self._conversations.create(str(uuid.uuid4()), user, persona.id, model, title)
        if title:
            await self._finalizer.index(conversation.id, user, {title_token(title): title})
        return conversation

    async def get(self, user: str, conversation_id: str) -> Conversation:
        return await self._conversations.get(conversation_id, user)

    async def update(
        self,
        user: str,
        conversation_id: str,
        *,
        title: str | None = None,
        role: str | None = None,
        model: str | None = None,
        pinned: bool | None = None,
    ) -> Conversation:
        """Changes what is not None; the model "" is the server's default."""
        fields: dict[str, str] = {}
        if title is not None:
            fields["title"] = title
        if role is not None:
            fields["role"] = (await self._personas.get(user, role)).id
        if model is not None:
            fields["model"] = self._catalog.get(model).info.id if model else ""
        if pinned is not None:
            fields["pinned"] = "1" if pinned else "0"
        conversation = await self._conversations.update(conversation_id, user, fields)
        if title is not None:
            await self._finalizer.index(conversation_id, user, {title_token(title): title})
        return conversation

    async def page(self, user: str, before: str | None, limit: int) -> ConversationPage:
        return await self._conversations.page(user, before, limit)

    async def messages(self, user: str, conversation_id: str, before: str | None, limit: int) -> MessagePage:
        return await self._branches.page(conversation_id, user, before, limit)

    async def switch_branch(self, user: str, conversation_id: str, message_id: str) -> Conversation:
        """Makes the branch of a message the current one. Raises `InvalidRequest` when there is no such message."""
        await self._branches.switch(conversation_id, user, message_id)
        return await self._conversations.touch(conversation_id, user, Change(conversation_id, "changed"))

    async def pin_message(self, user: str, conversation_id: str, message_id: str, *, pinned: bool) -> Placed:
        """A pinned message is kept as long as its conversation, and is in every prompt of its branch. Raises
        `InvalidRequest`.
        """
        placed = await self._branches.pin(conversation_id, user, message_id, pinned=pinned)
        await self._conversations.touch(conversation_id, user, Change(conversation_id, "changed"))
        return placed

    async def erase(self, user: str, conversation_id: str, *, keep_conversation: bool) -> None:
        """Stops a running reply and removes every text; unless `keep_conversation`, the conversation too.

        Deleting what was deleted within the last day is harmless: the answer may have been lost.
        """
        try:
            await self._erase(user, conversation_id, keep_conversation=keep_conversation)
        except ConversationNotFound:
            if keep_conversation or not await self._conversations.was_deleted(conversation_id, user):
                raise
            await self._conversations.finish_deletion(conversation_id, user)

    async def _erase(self, user: str, conversation_id: str, *, keep_conversation: bool) -> None:
        conversation = await self._conversations.get(conversation_id, user)
        self._finalizer.forget(conversation_id)
        if conversation.running_turn_id:
            with contextlib.suppress(TurnNotFound):  # somebody else erases it too
                await self._turns.stop(user, TurnRef(conversation_id, conversation.running_turn_id))
        await self._conversations.erase(conversation_id, user, keep_conversation=keep_conversation)

    async def feed(self, user: str, last: str | None) -> Feed:
        """What happens to the user's conversations after the change `last`; with None, from now on."""
        feed = Feed(user, last, self._changes, self._pubsub)
        await feed.open()
        return feed
