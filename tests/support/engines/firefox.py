"""Firefox, driven by WebDriver BiDi over its own debugging port."""

import base64
import json
import shutil
import signal
from pathlib import Path
from typing import Any, Final

from tests.support.engines.actions import CODES, Actions, clicking, typing, wheeling
from tests.support.engines.bidi import Bidi
from tests.support.engines.port import HEIGHT_PX, LANGUAGE, WIDTH_PX, Key
from tests.support.engines.process import ProcessGroup

PROGRAMS: Final = ("firefox-esr", "firefox")
PREFERENCES: Final[dict[str, object]] = {
    "intl.accept_languages": f"{LANGUAGE}, en",
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.disabledForTesting": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
# A policy that is broken is no console entry of BiDi.
TELL_POLICY: Final = """() => addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  console.error('policy', violatedDirective, blockedURI))"""


class FirefoxTab:
    def __init__(self, bidi: Bidi, processes: ProcessGroup, user: str) -> None:
        self._bidi = bidi
        self._processes = processes
        self.id: str = bidi.call("browsingContext.create", type="tab", userContext=user)["context"]
        self.resize(WIDTH_PX, HEIGHT_PX)

    def go(self, url: str) -> None:
        self._bidi.call("browsingContext.navigate", context=self.id, url=url, wait="complete")

    def reload(self) -> None:
        self._bidi.call("browsingContext.reload", context=self.id, wait="complete")

    def back(self) -> None:
        self._bidi.call("browsingContext.traverseHistory", context=self.id, delta=-1)

    def run(self, function: str, *arguments: Any) -> Any:
        answer = self._bidi.call(
            "script.callFunction",
            functionDeclaration=f"async (given) => JSON.stringify(await ({function})(...JSON.parse(given)))",
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self.id},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        value = answer["result"].get("value")
        return None if value is None else json.loads(value)

    def click(self, x: float, y: float) -> None:
        self._act(clicking(x, y))

    def type(self, text: str) -> None:
        self._act(typing(text))

    def press(self, key: Key) -> None:
        self._act(typing(CODES[key]))

    def wheel(self, x: float, y: float, down_px: int) -> None:
        self._act(wheeling(x, y, down_px))

    def front(self) -> None:
        self._bidi.call("browsingContext.activate", context=self.id)

    def sleep(self) -> None:
        self._processes.signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._processes.signal(signal.SIGCONT)

    def resize(self, width: int, height: int) -> None:
        self._bidi.call("browsingContext.setViewport", context=self.id, viewport={"width": width, "height": height})

    def picture(self) -> bytes:
        return base64.b64decode(self._bidi.call("browsingContext.captureScreenshot", context=self.id)["data"])

    def close(self) -> None:
        self._bidi.call("browsingContext.close", context=self.id)

    def _act(self, actions: Actions) -> None:
        self._bidi.call("input.performActions", context=self.id, actions=actions)


class FirefoxProfile:
    """A user context: a container with nothing in it."""

    def __init__(self, bidi: Bidi, processes: ProcessGroup) -> None:
        self._bidi = bidi
        self._processes = processes
        self._user: str = bidi.call("browser.createUserContext")["userContext"]
        self._tabs: list[str] = []
        bidi.call("script.addPreloadScript", functionDeclaration=TELL_POLICY, userContexts=[self._user])

    def new_tab(self) -> FirefoxTab:
        tab = FirefoxTab(self._bidi, self._processes, self._user)
        self._tabs.append(tab.id)
        return tab

    def troubles(self) -> list[str]:
        entries = [event["params"] for event in self._bidi.events() if event["method"] == "log.entryAdded"]
        return [
            f"{entry['level']}: {entry['text']}"
            for entry in entries
            if entry["source"].get("context") in self._tabs and entry["level"] in ("error", "warn")
        ]

    def close(self) -> None:
        self._bidi.call("browser.removeUserContext", userContext=self._user)


class Firefox:
    name = "firefox"

    def __init__(self, folder: Path) -> None:
        found = next(filter(None, map(shutil.which, PROGRAMS)), None)
        assert found, f"no Firefox: none of {', '.join(PROGRAMS)} is on the PATH"
        profile = folder / "profile"
        profile.mkdir()
        preferences = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("".join(preferences), "utf-8")
        self._processes = ProcessGroup(
            [found, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"], folder
        )
        self._bidi = Bidi(self._processes.wait_for(r"WebDriver BiDi listening on (ws://\S+)") + "/session")
        session = self._bidi.call("session.new", capabilities={})
        self.version: str = session["capabilities"]["browserVersion"]
        self._bidi.call("session.subscribe", events=["log.entryAdded"])

    def new_profile(self) -> FirefoxProfile:
        return FirefoxProfile(self._bidi, self._processes)

    def close(self) -> None:
        self._bidi.close()
        self._processes.end()
