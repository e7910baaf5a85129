"""What many conversations and long ones cost: the list, the search, the window of a prompt."""

import asyncio
import http.client
import json
import random
import statistics
import threading
import time
import uuid
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec
import redis

from benchmarks.machine import cpu_s
from benchmarks.relayed import show
from benchmarks.targets import Lianhua, lianhua
from benchmarks.vocabulary import Vocabulary
from lianhua.chat.messages import Message
from lianhua.config.store_url import parse_address
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, list_keys
from lianhua.store.embedded.process import socket_path
from lianhua.store.messages import MessageStore
from lianhua.store.open import open_nodes
from lianhua.store.search.ngrams import BITS, positions

CONVERSATIONS: Final = (10, 1_000, 10_000)  # each of another owner
MESSAGES: Final = 50  # a conversation
LENGTHS: Final = (10, 1_000, 10_000)  # messages of one conversation, for the window
WINDOW: Final = 20
POOL: Final = 20_000  # messages that conversations are made of
TIMES: Final = 40  # each question
BESIDE_S: Final = 5.0
RARE_WORD, RARE_CHARACTER = "橐龠", "\u4db5"  # put into three conversations, in the middle of a message
RARE_IN: Final = 3


@dataclass(frozen=True)
class Said:
    """A message, as the search's signature and as the store has it."""

    text: str
    bits: "array[int]"

    @classmethod
    def of(cls, text: str) -> "Said":
        return cls(text, array("H", set(positions(text))))


def growth_rows() -> list[dict[str, Any]]:
    """The figures of an owner with so many conversations, then those of conversations with so many messages."""
    vocabulary = Vocabulary()
    pool = [Said.of(vocabulary.message()) for _ in range(POOL)]
    wanted = _wanted(vocabulary, pool)
    rows: list[dict[str, Any]] = []
    with lianhua(1, pinned=False, disk=False, LIANHUA_RETENTION_MESSAGES="0") as target:
        socket = socket_path(target.folder / "store")
        with redis.Redis(unix_socket_path=str(socket)) as store:
            for count in CONVERSATIONS:
                owner = f"owner{count}"
                names = _fill(store, owner, count, pool)
                rows.append({"conversations": count, **_asked(target, owner, wanted), **_memory(store, names)})
                show(rows[-1])
            rows.append(_beside(target, store, f"owner{CONVERSATIONS[-1]}", names[0], wanted["absent word"]))
            show(rows[-1])
            for length in LENGTHS:
                name = str(uuid.uuid4())
                _store(store, "long", name, [pool[number % POOL] for number in range(length)], time.time())
                rows.append({"messages": length, **asyncio.run(_windows(f"unix://{socket}", name))})
                show(rows[-1])
    return rows


def _wanted(vocabulary: Vocabulary, pool: Sequence[Said]) -> dict[str, str]:
    """What is searched for. What is not there is made of what is common, which is the hardest to deny."""
    everything = "\n".join(said.text for said in pool)
    pairs = (a[-1] + b[0] for a in vocabulary.chinese[20:200] for b in vocabulary.chinese[60:200])
    phrases = (f"{a} {b}" for a in vocabulary.english[2_000:] for b in vocabulary.english[3_000:])
    return {
        "common word": vocabulary.chinese[0],
        "rare word": RARE_WORD,
        "rare character": RARE_CHARACTER,
        "absent word": next(pair for pair in pairs if pair not in everything),
        "absent phrase": next(phrase for phrase in phrases if phrase not in everything),
    }


# The store, filled in its true format


def _fill(store: "redis.Redis", owner: str, count: int, pool: Sequence[Said]) -> list[str]:
    """So many conversations of the owner; their ids, the newest first."""
    chance = random.Random(count)
    now = time.time()
    rare = set(chance.sample(range(count), min(RARE_IN, count)))
    names = [str(uuid.uuid4()) for _ in range(count)]
    for age, name in enumerate(names):
        talk = chance.choices(pool, k=MESSAGES)
        if age in rare:
            text = talk[MESSAGES // 2].text
            talk[MESSAGES // 2] = Said.of(f"{text[:90]}{RARE_WORD}{text[90:180]}{RARE_CHARACTER}")
        _store(store, owner, name, talk, now - age)
    return names


def _store(store: "redis.Redis", owner: str, name: str, talk: Sequence[Said], at: float) -> None:
    """A conversation of one branch, as `accept` and `finish` would have left it."""
    keys = ConversationKeys(name)
    ids = [uuid.uuid4().hex[:20] for _ in talk]
    parents = ["-", *ids]
    title = talk[0].text[:20]
    digits = bytearray(b"0" * BITS)
    for bit in (*positions(title), *(bit for said in talk for bit in said.bits)):
        digits[bit] = 49
    pipe = store.pipeline(transaction=False)
    messages = {
        message_id: f"{parent} - 0\n".encode() + _message(message_id, depth, said.text, at)
        for depth, (message_id, parent, said) in enumerate(zip(ids, parents, talk, strict=False))
    }
    pipe.hset(keys.messages, mapping=messages)  # type: ignore[arg-type]
    pipe.zadd(keys.order, {message_id: age for age, message_id in enumerate(ids, 1)})
    tree = {f"c:{parent}": message_id for parent, message_id in zip(parents, ids, strict=False)}
    pipe.hset(keys.tree, mapping={**tree, "b:0": f"- -1 {len(ids) - 1}"})
    pipe.set(keys.ngrams, int(digits, 2).to_bytes(BITS // 8, "big"))
    meta = {
        "owner": owner, "title": title, "role": "assistant", "model": "", "created_at": f"{at:.6f}",
        "updated_at": f"{at:.6f}", "expires_at": "", "pinned": "0", "head": ids[-1], "depth": len(ids) - 1,
        "branch": "0", "last": len(ids), "count": len(ids), "branches": 1,
    }  # fmt: skip
    pipe.hset(keys.meta, mapping=meta)  # type: ignore[arg-type]
    pipe.zadd(list_keys(owner)[0], {name: round(at, 6)})
    pipe.execute()


def _message(message_id: str, depth: int, text: str, at: float) -> bytes:
    body = msgspec.json.encode(Message(message_id, "assistant" if depth % 2 else "user", text))
    return body[:-1] + f',"timestamp":{at:.6f},"n":{depth}}}'.encode()


# The questions


def _asked(target: Lianhua, owner: str, wanted: dict[str, str]) -> dict[str, Any]:
    """A page of 30 over HTTP: milliseconds on the wall, and of the CPU of the server and of its store."""
    connection = _connection(target)
    found: dict[str, Any] = {"list": _with_cpu(target, lambda: _page(connection, owner, ""))}
    for name, text in wanted.items():
        page = _page(connection, owner, text)
        expected = {"rare word": RARE_IN, "rare character": RARE_IN}.get(name, 0 if name.startswith("absent") else None)
        assert expected in (None, len(page["conversations"])), (name, page)
        assert len(page["conversations"]) == 30 or page["next"] is None, (name, page["next"])
        found[name] = _with_cpu(target, lambda text=text: _page(connection, owner, text))
    connection.close()
    return found


def _connection(target: Lianhua) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)


def _page(connection: http.client.HTTPConnection, owner: str, wanted: str) -> Any:
    return _get(connection, f"/api/conversations?user_id={owner}&limit=30&q={quote(wanted)}")


def _get(connection: http.client.HTTPConnection, path: str) -> Any:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return json.loads(body)


def _memory(store: "redis.Redis", names: Sequence[str]) -> dict[str, Any]:
    """KB of the store a conversation, how much of it is the signature, and what part of its bits is set."""
    some = names[:200]
    whole = signature = bits = 0
    for keys in map(ConversationKeys, some):
        for key in keys.lasting:
            size = store.memory_usage(key, samples=0) or 0
            whole += size
            signature += size if key == keys.ngrams else 0
        bits += store.bitcount(keys.ngrams)
    return {
        "conversation_kb": round(whole / len(some) / 1024, 1),
        "signature_kb": round(signature / len(some) / 1024, 1),
        "signature_full": round(bits / len(some) / BITS, 2),
    }


def _beside(target: Lianhua, store: "redis.Redis", owner: str, conversation: str, wanted: str) -> dict[str, Any]:
    """What other calls wait for while one search follows another, and while four at a time do."""
    row: dict[str, Any] = {"beside": owner}
    for searches in (0, 1, 4):
        with _searching(target, owner, wanted, searches), closing(_connection(target)) as connection:
            row[f"read beside {searches}"] = _timed(
                lambda: _get(connection, f"/api/conversations/{conversation}?user_id={owner}"), for_s=BESIDE_S
            )
            row[f"store's PING beside {searches}"] = _timed(store.ping, for_s=BESIDE_S)
    return row


@contextmanager
def _searching(target: Lianhua, owner: str, wanted: str, searches: int) -> Iterator[None]:
    """So many clients search, one page after another, until the block ends."""
    ended = threading.Event()

    def search() -> None:
        with closing(_connection(target)) as connection:
            while not ended.is_set():
                _page(connection, owner, wanted)

    threads = [threading.Thread(target=search) for _ in range(searches)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


async def _windows(address: str, name: str) -> dict[str, Any]:
    """Milliseconds to read what the next prompt is made from, and a page of messages."""
    nodes = await open_nodes(parse_address(address))
    branches = MessageStore(StoreClient(nodes))
    times: dict[str, list[float]] = {"window": [], "page": []}
    for _ in range(TIMES * 10):
        for kind, read in (
            ("window", branches.window(name, "long", WINDOW)),
            ("page", branches.page(name, "long", None, MESSAGES)),
        ):
            began = time.perf_counter()
            await read
            times[kind].append(time.perf_counter() - began)
    await nodes.close()
    return {kind: _figures(found) for kind, found in times.items()}


def _with_cpu(target: Lianhua, call: Callable[[], object]) -> dict[str, float]:
    before = [sum(map(cpu_s, some)) for some in (target.server, target.store)]
    row = _timed(call)
    after = [sum(map(cpu_s, some)) for some in (target.server, target.store)]
    server_s, store_s = (b - a for a, b in zip(before, after, strict=True))
    return {
        **row,
        "server_cpu": round(server_s / TIMES * 1000, 2),
        "store_cpu": round(store_s / TIMES * 1000, 2),
    }


def _timed(call: Callable[[], object], for_s: float = 0.0) -> dict[str, float]:
    """A call made `TIMES` times one after another, or for so long."""
    times: list[float] = []
    end = time.perf_counter() + for_s
    while len(times) < TIMES or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return _figures(times)


def _figures(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {name: round(cuts[at - 1] * 1000, 2) for name, at in (("p50", 50), ("p95", 95), ("p99", 99))}
