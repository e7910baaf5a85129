"""WebKitGTK's MiniBrowser, driven by WebDriver, on a display that nobody sees."""

import base64
import http.client
import json
import re
import signal
import socket
from pathlib import Path
from typing import Any, Final

from tests.support.engines.actions import CODES, Actions, clicking, typing, wheeling
from tests.support.engines.port import HEIGHT_PX, LANGUAGE, WIDTH_PX, Key
from tests.support.engines.process import ProcessGroup

DRIVER: Final = "WebKitWebDriver"
BROWSERS: Final = ("/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/libexec/webkit2gtk-4.*/MiniBrowser")
ANSWER_WITHIN_S: Final = 120.0
SCRIPT_WITHIN_MS: Final = 60_000
# The driver waits for a function to call, and the page's own errors are its result.
RUN: Final = """const done = arguments[1];
(async () => JSON.stringify(await (%s)(...JSON.parse(arguments[0]))))()
  .then((value) => done({ value }), (error) => done({ error: `${error}` }));"""


class WebDriver:
    """One session of a WebDriver server on `port` of 127.0.0.1: https://www.w3.org/TR/webdriver2/."""

    def __init__(self, port: int, capabilities: dict[str, Any]) -> None:
        self._port = port
        self._session = ""
        session = self.call("POST", "/session", capabilities={"alwaysMatch": capabilities})
        self._session = f"/session/{session['sessionId']}"
        self.capabilities: dict[str, Any] = session["capabilities"]

    def call(self, method: str, path: str, **body: Any) -> Any:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_WITHIN_S)
        try:
            line.request(method, self._session + path, json.dumps(body) if method == "POST" else None)
            answer = line.getresponse()
            value = json.loads(answer.read())["value"]
        finally:
            line.close()
        assert answer.status == http.HTTPStatus.OK, f"{method} {path}: {value}"
        return value


class WebKitTab:
    def __init__(self, driver: WebDriver, processes: ProcessGroup, handle: str) -> None:
        self._driver = driver
        self._processes = processes
        self._handle = handle
        self._turned_px = 0

    def go(self, url: str) -> None:
        self._call("POST", "/url", url=url)

    def reload(self) -> None:
        self._call("POST", "/refresh")

    def back(self) -> None:
        self._call("POST", "/back")

    def run(self, function: str, *arguments: Any) -> Any:
        answer = self._call("POST", "/execute/async", script=RUN % function, args=[json.dumps(arguments)])
        assert "error" not in answer, answer["error"]
        value = answer.get("value")
        return None if value is None else json.loads(value)

    def click(self, x: float, y: float) -> None:
        self._act(clicking(x, y))

    def type(self, text: str) -> None:
        self._act(typing(text))

    def press(self, key: Key) -> None:
        self._act(typing(CODES[key]))

    def wheel(self, x: float, y: float, down_px: int) -> None:
        # This driver turns the wheel by how far the delta is from the last one, as if it were a position.
        self._turned_px += down_px
        self._act(wheeling(x, y, self._turned_px))

    def front(self) -> None:
        self._driver.call("POST", "/window", handle=self._handle)

    def sleep(self) -> None:
        self._processes.signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._processes.signal(signal.SIGCONT)

    def resize(self, width: int, height: int) -> None:
        """The window's frame is larger than what it shows, by what only the page can say."""
        self._call("POST", "/window/rect", width=width, height=height)
        inner = self.run("() => [innerWidth, innerHeight]")
        if inner != [width, height]:
            self._call("POST", "/window/rect", width=2 * width - inner[0], height=2 * height - inner[1])

    def picture(self) -> bytes:
        return base64.b64decode(self._call("GET", "/screenshot"))

    def close(self) -> None:
        self._call("DELETE", "/window")

    def _call(self, method: str, path: str, **body: Any) -> Any:
        self.front()
        return self._driver.call(method, path, **body)

    def _act(self, actions: Actions) -> None:
        self._call("POST", "/actions", actions=actions)


class WebKitProfile:
    """A driver and the browser that it starts: it can have one, and that keeps nothing."""

    def __init__(self, folder: Path, display: str, browser: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._processes = ProcessGroup(
            [DRIVER, f"--port={port}"],
            folder,
            DISPLAY=display,
            GDK_BACKEND="x11",
            LANGUAGE=LANGUAGE.replace("-", "_"),
            LANG="C.UTF-8",
            # Without a graphics card.
            LIBGL_ALWAYS_SOFTWARE="1",
            WEBKIT_DISABLE_DMABUF_RENDERER="1",
            GSK_RENDERER="cairo",
            NO_AT_BRIDGE="1",
            GIO_USE_VFS="local",
        )
        wait_for_port(port)
        arguments = ["--automation", "--enable-write-console-messages-to-stdout=true"]
        options = {"binary": browser, "args": arguments}
        self._driver = WebDriver(port, {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options})
        self._driver.call("POST", "/timeouts", script=SCRIPT_WITHIN_MS)
        self.version: str = self._driver.capabilities["browserVersion"]
        self._first: str | None = self._driver.call("GET", "/window")

    def new_tab(self) -> WebKitTab:
        handle = self._first or self._driver.call("POST", "/window/new", type="window")["handle"]
        is_first, self._first = self._first is not None, None
        tab = WebKitTab(self._driver, self._processes, handle)
        if is_first:
            tab.resize(WIDTH_PX, HEIGHT_PX)
        return tab

    def troubles(self) -> list[str]:
        return re.findall(r"CONSOLE (?!.*(?:Failed to load resource)).*(?:ERROR|WARN).*", self._processes.log)

    def close(self) -> None:
        self._processes.end()


class WebKit:
    name = "webkit"

    def __init__(self, folder: Path) -> None:
        found = [str(path) for pattern in BROWSERS for path in sorted(Path("/").glob(pattern.removeprefix("/")))]
        assert found, f"no WebKitGTK: none of {', '.join(BROWSERS)} is there"
        self._browser = found[-1]
        self._folder = folder
        self._display = ProcessGroup(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"], folder
        )
        self._name = ":" + self._display.wait_for(r"(?m)^(\d+)$")
        profile = self.new_profile()
        self.version = profile.version
        profile.close()

    def new_profile(self) -> WebKitProfile:
        return WebKitProfile(self._folder, self._name, self._browser)

    def close(self) -> None:
        self._display.end()


def wait_for_port(port: int) -> None:
    """Until somebody listens there; the time limit of the test is its end."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
