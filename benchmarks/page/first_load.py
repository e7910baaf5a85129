"""What the first load fetches: every request until the page has been quiet for a while, with nothing in the cache."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure

GOAL_BYTES: Final = 60_000
GOAL_REQUESTS: Final = 5
QUIET_MS: Final = 3_000


@dataclass
class Request:
    """`bytes` is the body as it went over the line, compressed as it was."""

    address: str
    kind: str
    bytes: int = 0
    encoding: str = ""
    is_cached: bool = False

    @property
    def group(self) -> str:
        if self.kind == "EventSource":
            return "stream"
        return "api" if urlsplit(self.address).path.startswith("/api/") else "page"

    def row(self) -> dict[str, Any]:
        return {
            "path": urlsplit(self.address).path,
            "bytes": self.bytes,
            "encoding": self.encoding,
            "group": self.group,
        }


def first_load(deployment: Deployment) -> list[Figure]:
    """The first load: bytes, requests, other hosts."""
    found = _requests(deployment)
    own = [request for request in found if request.address.startswith(deployment.url + "/")]
    others = [request for request in found if not request.address.startswith((deployment.url + "/", "data:", "blob:"))]
    groups = {name: [request for request in own if request.group == name] for name in ("page", "api", "stream")}
    page = groups["page"]
    size, api_size = (sum(request.bytes for request in groups[name]) for name in ("page", "api"))
    values = {"requests": [request.row() for request in own], "other_hosts": len(others)}
    everything = (
        f"{(size + api_size) / 1000:.1f} KB / {len(page)} + {len(groups['api'])} + {len(groups['stream'])} stream"
    )
    return [
        Figure(
            "first load, files of the page: gz / requests / other hosts",
            "<= 60 KB / <= 5 / 0",
            f"{size / 1000:.1f} KB / {len(page)} / {len(others)}",
            size <= GOAL_BYTES and len(page) <= GOAL_REQUESTS and not others,
            values,
        ),
        Figure(
            "the same with the calls of the API",
            "<= 60 KB / <= 5",
            everything,
            size + api_size <= GOAL_BYTES and len(own) <= GOAL_REQUESTS,
        ),
    ]


def _requests(deployment: Deployment) -> list[Request]:
    found: dict[str, Request] = {}

    def sent(event: dict[str, Any]) -> None:
        found[event["requestId"]] = Request(event["request"]["url"], event.get("type", ""))

    def answered(event: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
        request = found[event["requestId"]]
        request.encoding = headers.get("content-encoding", "")
        request.bytes = int(headers.get("content-length", 0))
        request.is_cached |= bool(event["response"].get("fromDiskCache"))

    def cached(event: dict[str, Any]) -> None:
        found[event["requestId"]].is_cached = True

    with deployment.browser.person() as person:
        person.tab.on("Network.requestWillBeSent", sent)
        person.tab.on("Network.responseReceived", answered)
        person.tab.on("Network.requestServedFromCache", cached)
        person.tab.send("Network.enable")
        # Brotli is smaller still, but not every proxy lets it through.
        person.tab.send("Network.setExtraHTTPHeaders", {"headers": {"Accept-Encoding": "gzip"}})
        person.open(deployment.url)
        person.page.wait_for_timeout(QUIET_MS)
    # What is asked for twice goes over the line once.
    return [request for request in found.values() if not request.is_cached]
