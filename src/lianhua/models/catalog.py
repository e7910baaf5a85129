"""Every model of this server, and which of them answers when nobody chooses."""

from collections.abc import Iterator

from lianhua.errors import UnknownModel
from lianhua.models.port import ChatModel


class Catalog:
    """Models by id, in order. It owns them: `close` closes all."""

    def __init__(self, models: list[ChatModel]) -> None:
        assert models, "a server has at least the demo model"  # noqa: S101
        self._models = {model.info.id: model for model in models}
        self._default = models[0].info.id

    @property
    def default(self) -> ChatModel:
        return self._models[self._default]

    def __iter__(self) -> Iterator[ChatModel]:
        return iter(self._models.values())

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._models

    def get(self, model_id: str) -> ChatModel:
        """Raises `UnknownModel`."""
        try:
            return self._models[model_id]
        except KeyError:
            raise UnknownModel(f"{len(model_id)} characters") from None

    def get_or_default(self, model_id: str | None) -> ChatModel:
        """The model of that id; the default where there is none, as when the operator has taken a model away."""
        return self._models.get(model_id or self._default, self.default)

    def fallbacks(self, model_id: str) -> list[ChatModel]:
        """The models that are asked in the place of one that cannot answer, in order: its own list, then theirs."""
        found: dict[str, ChatModel] = {}
        named = [model_id]
        for name in named:
            for other in self._models[name].info.fallback if name in self._models else ():
                if other in self._models and other not in found and other != model_id:
                    found[other] = self._models[other]
                    named.append(other)
        return list(found.values())

    def add(self, model: ChatModel) -> None:
        """A model that has just become ready; it answers from the next turn on."""
        self._models[model.info.id] = model
        self._default = model.info.id

    async def close(self) -> None:
        for model in self._models.values():
            await model.close()
