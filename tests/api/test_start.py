"""What a page needs before it stands, in one answer."""

from tests.api.test_personas import made
from tests.support.client import Client

PATH = "/api/start"
PARTS = {
    "roles": "/api/roles",
    "models": "/api/models",
    "settings": "/api/settings",
    "conversations": "/api/conversations",
}


async def test_it_is_what_the_four_routes_say(alice: Client, bob: Client) -> None:
    own = await made(alice)
    await alice.ask("PATCH", "/api/settings", {"default_role": own["id"]})
    conversation = await alice.create(title="the one")
    await alice.say(conversation, "hello")
    start = await alice.get(PATH)
    assert start == {name: await alice.get(path) for name, path in PARTS.items()}
    assert own["id"] in start["roles"]["roles"]
    assert [each["id"] for each in start["conversations"]["conversations"]] == [conversation]
    assert start["settings"]["default_role"] == own["id"]
    assert (await bob.get(PATH))["conversations"] == {"conversations": [], "next": None}


async def test_it_speaks_the_callers_language_and_lists_fifty(alice: Client) -> None:
    for number in range(51):
        await alice.create(title=f"talk {number}")
    start = await alice.get(PATH)
    assert len(start["conversations"]["conversations"]) == 50
    assert start["conversations"]["next"] is not None
    named = [(await alice.ask("GET", PATH, headers={"Accept-Language": tag})).json["roles"] for tag in ("en", "zh")]
    english, chinese = (roles["roles"]["teacher"]["name"] for roles in named)
    assert english == "AI teacher" != chinese
