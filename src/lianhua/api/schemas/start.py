"""What a page needs first, in one body."""

from lianhua.api.schemas.body import Out
from lianhua.api.schemas.conversations import ConversationPageOut
from lianhua.api.schemas.models import ModelsOut
from lianhua.api.schemas.preferences import PreferencesOut
from lianhua.api.schemas.tutorial import RolesOut


class StartOut(Out):
    roles: RolesOut
    models: ModelsOut
    settings: PreferencesOut
    conversations: ConversationPageOut
