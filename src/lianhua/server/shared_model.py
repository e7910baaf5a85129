"""One local model for several workers: the supervisor has the process and the line of turns, workers borrow both.

    worker ── Join · Leave · Start · IsGone ──▶ supervisor
    worker ◀── Ahead · Full · Started · Unavailable · Gone ── supervisor

Each is one JSON object on the line between the two (`control`). A question has a number of its worker's, and its
answers have the same.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine

import msgspec
from msgspec import Struct

from lianhua.errors import ModelRateLimited, ModelUnavailable
from lianhua.models.local.host import ModelHost, ModelServer, Waiting, Wanted

LOST = "the supervisor of this worker is gone, and the local model with it"


class Join(Struct, frozen=True, tag=True):
    """A turn wants a place in the line; `Ahead` comes each time that its place changes, or `Full` once."""

    number: int


class Leave(Struct, frozen=True, tag=True):
    """The turn that joined under this number leaves the line."""

    number: int


class Start(Struct, frozen=True, tag=True):
    """Where is the model's server? It is started where none is up. `Started` or `Unavailable` comes."""

    number: int
    wanted: Wanted


class IsGone(Struct, frozen=True, tag=True):
    """Has the server with this process id ended, or does it within a moment? `Gone` comes."""

    number: int
    pid: int


class Ahead(Struct, frozen=True, tag=True):
    number: int
    turns: int


class Full(Struct, frozen=True, tag=True):
    number: int
    reason: str


class Started(Struct, frozen=True, tag=True):
    number: int
    url: str
    api_key: str
    pid: int


class Unavailable(Struct, frozen=True, tag=True):
    number: int
    reason: str


class Gone(Struct, frozen=True, tag=True):
    number: int
    gone: bool


Question = Join | Leave | Start | IsGone
Reply = Ahead | Full | Started | Unavailable | Gone
_questions = msgspec.json.Decoder(Question)
_replies = msgspec.json.Decoder(Reply)
_encode = msgspec.json.Encoder().encode


class LentHost:
    """The supervisor's end for one worker. `say` sends it a line; `heard` takes one of its own; `close` when it is
    gone.
    """

    def __init__(self, host: ModelHost, say: Callable[[str], None]) -> None:
        self._host = host
        self._say = say
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._servers: dict[int, ModelServer] = {}

    def heard(self, line: str) -> None:
        match _questions.decode(line):
            case Join(number):
                self._spawn(number, self._keep_place(number))
            case Leave(number):
                if task := self._tasks.pop(number, None):
                    task.cancel()
            case Start(number, wanted):
                self._spawn(number, self._start(number, wanted))
            case IsGone(number, pid):
                self._spawn(number, self._is_gone(number, pid))

    def close(self) -> None:
        """The worker is gone: so are its turns."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _spawn(self, number: int, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine, name=f"question {number} about the local model")
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _keep_place(self, number: int) -> None:
        try:
            place = await self._host.join()
        except (ModelRateLimited, ModelUnavailable) as exc:
            self._answer(Full(number, str(exc)))
            return
        try:
            while ahead := place.ahead:
                self._answer(Ahead(number, ahead))
                await place.moved()
            self._answer(Ahead(number, 0))
            await asyncio.get_running_loop().create_future()  # until it leaves
        finally:
            place.leave()

    async def _start(self, number: int, wanted: Wanted) -> None:
        try:
            server = await self._host.server(wanted)
        except ModelUnavailable as exc:
            self._answer(Unavailable(number, str(exc)))
            return
        self._servers = {server.pid: server}
        self._answer(Started(number, server.url, server.api_key, server.pid))

    async def _is_gone(self, number: int, pid: int) -> None:
        server = self._servers.get(pid)
        self._answer(Gone(number, server is None or await server.gone()))

    def _answer(self, reply: Reply) -> None:
        self._say(_encode(reply).decode())


class BorrowedHost:
    """The worker's end, a `ModelHost`. `say` sends the supervisor a line; `heard` takes one of its own; `lost` when it
    is gone.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._numbers = itertools.count(1)
        self._places: dict[int, _BorrowedPlace] = {}
        self._answers: dict[int, asyncio.Future[Reply]] = {}
        self._pid: int | None = None
        self._is_lost = False

    async def join(self) -> Waiting:
        number = next(self._numbers)
        place = self._places[number] = _BorrowedPlace(lambda: self._leave(number))
        self._ask(Join(number))
        try:
            await place.moved()
        except BaseException:
            place.leave()
            raise
        return place

    async def server(self, wanted: Wanted) -> ModelServer:
        match await self._answer_to(Start(next(self._numbers), wanted)):
            case Started(_, url, api_key, pid):
                self._pid = pid
                return _BorrowedServer(url, api_key, pid, self)
            case Unavailable(_, reason):
                raise ModelUnavailable(reason)
        raise ModelUnavailable(LOST)

    async def is_gone(self, pid: int) -> bool:
        answer = await self._answer_to(IsGone(next(self._numbers), pid))
        return not isinstance(answer, Gone) or answer.gone

    def pid(self) -> int | None:
        return self._pid

    async def close(self) -> None:
        """Nothing: the model goes on for the other workers."""

    def heard(self, line: str) -> None:
        reply = _replies.decode(line)
        match reply:
            case Ahead(number, turns):
                if place := self._places.get(number):
                    place.move_to(turns)
            case Full(number, reason):
                if place := self._places.get(number):
                    place.refuse(ModelRateLimited(reason))
            case _:
                if answer := self._answers.pop(reply.number, None):
                    answer.set_result(reply)

    def lost(self) -> None:
        self._is_lost = True
        for place in self._places.values():
            place.refuse(ModelUnavailable(LOST))
        for answer in self._answers.values():
            answer.set_exception(ModelUnavailable(LOST))
        self._answers.clear()

    async def _answer_to(self, question: Start | IsGone) -> Reply:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._answers[question.number] = answer
        try:
            self._ask(question)
            return await answer
        finally:
            self._answers.pop(question.number, None)

    def _ask(self, question: Question) -> None:
        if self._is_lost:
            raise ModelUnavailable(LOST)
        self._say(_encode(question).decode())

    def _leave(self, number: int) -> None:
        if self._places.pop(number, None):
            with contextlib.suppress(ModelUnavailable):
                self._ask(Leave(number))


class _BorrowedPlace:
    """A place in the supervisor's line."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self.leave = leave
        self._ahead = 0
        self._moved = asyncio.Event()
        self._refused: Exception | None = None

    @property
    def ahead(self) -> int:
        return self._ahead

    async def moved(self) -> None:
        await self._moved.wait()
        self._moved.clear()
        if self._refused:
            raise self._refused

    def move_to(self, ahead: int) -> None:
        self._ahead = ahead
        self._moved.set()

    def refuse(self, reason: Exception) -> None:
        self._refused = reason
        self._moved.set()


class _BorrowedServer:
    """The supervisor's server of the model."""

    def __init__(self, url: str, api_key: str, pid: int, host: BorrowedHost) -> None:
        self.url = url
        self.api_key = api_key
        self._pid = pid
        self._host = host

    @property
    def pid(self) -> int:
        return self._pid

    async def gone(self) -> bool:
        return await self._host.is_gone(self._pid)
