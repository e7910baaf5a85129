"""The local model, for real: xllamacpp loads a small file that the tests write, in a real child process."""

import asyncio
import os
import signal
import string
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from lianhua.errors import ContextTooLong, ModelUnavailable
from lianhua.models.local.model import LocalModel
from lianhua.models.openai.model import Limits
from lianhua.models.port import Delta, Finish, GenerationOptions, Queued, TextDelta
from tests.support.models.prompts import prompt_of
from tests.support.models.tiny_gguf import write_tiny_gguf
from tests.support.waiting import until

SHORT = GenerationOptions(max_tokens=8)
LONG = GenerationOptions(max_tokens=2_000)


@pytest.fixture(scope="session")
def fast_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "fast.gguf")


@pytest.fixture(scope="session")
def slow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred tokens a second: a long reply takes several seconds."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "slow.gguf", width=256, layers=6)


@pytest.fixture
async def fast(fast_file: Path) -> AsyncIterator[LocalModel]:
    model = LocalModel(fast_file, Limits())
    yield model
    await model.close()


@pytest.fixture
async def slow(slow_file: Path) -> AsyncIterator[LocalModel]:
    model = LocalModel(slow_file, Limits())
    yield model
    await model.close()


async def deltas_of(model: LocalModel, said: str = "hello", options: GenerationOptions = SHORT) -> list[Delta]:
    return [delta async for batch in model.stream(prompt_of(said), options) for delta in batch]


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def alive(pid: int) -> bool:
    """A process that has ended but that nobody has buried yet is not alive."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_a_reply_says_how_it_ended(fast: LocalModel) -> None:
    deltas = await deltas_of(fast, "你好")

    finish = deltas[-1]
    assert isinstance(finish, Finish) and finish.reason == "length"
    assert finish.usage is not None and finish.usage.completion_tokens == 8
    assert len(text_of(deltas)) == 8 and set(text_of(deltas)) <= set(string.ascii_lowercase)


async def test_a_long_reply_comes_in_pieces(slow: LocalModel) -> None:
    async with aclosing(slow.stream(prompt_of("hello"), LONG)) as reply:
        first, second, third = [await anext(reply) for _ in range(3)]
    assert all(isinstance(delta, TextDelta) for batch in (first, second, third) for delta in batch)


async def test_turns_that_follow_at_once_are_answered_at_once(fast: LocalModel) -> None:
    for _ in range(5):
        assert {type(delta) for delta in await deltas_of(fast)} == {TextDelta, Finish}


async def test_the_prompt_reaches_the_model_and_options_count(fast: LocalModel) -> None:
    short = (await deltas_of(fast, "a"))[-1]
    longer = (await deltas_of(fast, "a" * 101))[-1]

    assert isinstance(short, Finish) and short.usage and isinstance(longer, Finish) and longer.usage
    assert longer.usage.prompt_tokens == short.usage.prompt_tokens + 100


async def test_a_reply_without_a_limit_of_its_own_still_ends(fast: LocalModel) -> None:
    finish = (await deltas_of(fast, options=GenerationOptions()))[-1]

    assert isinstance(finish, Finish) and finish.reason == "length"
    assert finish.usage is not None and finish.usage.completion_tokens == 2048


async def test_a_prompt_beyond_the_context_window_is_refused_as_such(fast: LocalModel) -> None:
    with pytest.raises(ContextTooLong):
        await deltas_of(fast, "a" * 9_000)


async def test_turns_wait_in_line_and_hear_each_step(slow: LocalModel) -> None:
    async with (
        aclosing(slow.stream(prompt_of("first"), LONG)) as first,
        aclosing(slow.stream(prompt_of("second"), LONG)) as second,
        aclosing(slow.stream(prompt_of("third"), SHORT)) as third,
    ):
        assert isinstance((await anext(first))[0], TextDelta)
        assert await anext(second) == [Queued(1)]
        assert await anext(third) == [Queued(2)]

        await first.aclose()
        assert isinstance((await anext(second))[0], TextDelta)
        assert await anext(third) == [Queued(1)]

        await second.aclose()
        assert isinstance((await anext(third))[0], TextDelta)


async def test_a_turn_that_gives_up_waiting_is_no_longer_counted(slow: LocalModel) -> None:
    async with (
        aclosing(slow.stream(prompt_of("first"), LONG)) as first,
        aclosing(slow.stream(prompt_of("second"), SHORT)) as second,
        aclosing(slow.stream(prompt_of("third"), SHORT)) as third,
    ):
        await anext(first)
        await anext(second)
        assert await anext(third) == [Queued(2)]

        await second.aclose()
        assert await anext(third) == [Queued(1)]


def worked_s(model: LocalModel) -> float:
    """How long its process has had a processor."""
    user, system = Path(f"/proc/{model.pid}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def test_closing_a_reply_frees_the_model_at_once(slow: LocalModel) -> None:
    await slow.ready()
    began_s = worked_s(slow)
    async with aclosing(slow.stream(prompt_of("hello"), LONG)) as reply:
        await anext(reply)
    await deltas_of(slow)
    stopped_s = worked_s(slow) - began_s

    began_s = worked_s(slow)
    await deltas_of(slow, options=LONG)
    whole_s = worked_s(slow) - began_s

    assert stopped_s < whole_s / 2


async def test_a_cancelled_turn_frees_the_model(slow: LocalModel) -> None:
    heard = asyncio.Event()

    async def turn() -> None:
        async with aclosing(slow.stream(prompt_of("hello"), LONG)) as reply:
            async for _ in reply:
                heard.set()

    task = asyncio.create_task(turn())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not any(isinstance(delta, Queued) for delta in await deltas_of(slow))


async def test_a_child_killed_during_a_reply_fails_that_turn_and_the_next_one_works(slow: LocalModel) -> None:
    async with aclosing(slow.stream(prompt_of("hello"), LONG)) as reply:
        await anext(reply)
        killed = slow.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(ModelUnavailable):
            async for _ in reply:
                pass

    assert isinstance((await deltas_of(slow))[-1], Finish)
    assert slow.pid not in (None, killed)


async def test_a_child_killed_between_turns_is_not_noticed(fast: LocalModel) -> None:
    await fast.ready()
    killed = fast.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: fast.pid is None)

    assert isinstance((await deltas_of(fast))[-1], Finish)
    assert fast.pid not in (None, killed)


async def test_a_signal_to_the_whole_group_leaves_the_child_to_its_parent(fast: LocalModel) -> None:
    await fast.ready()
    child = fast.pid
    assert child is not None
    os.kill(child, signal.SIGTERM)
    os.kill(child, signal.SIGINT)

    assert isinstance((await deltas_of(fast))[-1], Finish)
    assert fast.pid == child


async def test_no_child_outlives_a_killed_parent(fast_file: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from lianhua.models.local.model import LocalModel\n"
        "from lianhua.models.openai.model import Limits\n"
        "async def main():\n"
        "    model = LocalModel(Path(sys.argv[1]), Limits())\n"
        "    await model.ready()\n"
        "    print(model.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(fast_file), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)

    parent.kill()
    await parent.wait()

    await until(lambda: not alive(child))


async def test_closing_ends_the_child(fast: LocalModel) -> None:
    await fast.ready()
    child = fast.pid
    assert child is not None

    await fast.close()
    await fast.close()

    assert not alive(child)
    with pytest.raises(ModelUnavailable):
        await deltas_of(fast)


async def test_closing_while_it_loads_leaves_nothing(slow: LocalModel) -> None:
    slow.start()
    loading = asyncio.create_task(slow.ready())
    await asyncio.sleep(0)  # the load is under way now

    await slow.close()

    with pytest.raises((asyncio.CancelledError, ModelUnavailable)):
        await loading
    assert slow.pid is None


async def test_a_turn_cancelled_while_the_model_loads_does_not_stop_the_load(slow: LocalModel) -> None:
    turn = asyncio.create_task(deltas_of(slow))
    await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn

    await slow.ready()
    assert slow.pid is not None


async def test_a_file_that_is_no_model_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(b"not a model" * 100)
    model = LocalModel(file, Limits())

    with pytest.raises(ModelUnavailable, match=r"cannot be loaded: .*bad\.gguf") as caught:
        await model.ready()

    assert "\n" not in str(caught.value)
    await model.close()


async def test_a_file_that_came_back_is_loaded_by_the_next_turn(tmp_path: Path, fast_file: Path) -> None:
    file = tmp_path / "later.gguf"
    model = LocalModel(file, Limits())
    with pytest.raises(ModelUnavailable):
        await deltas_of(model)

    file.symlink_to(fast_file)

    assert isinstance((await deltas_of(model))[-1], Finish)
    await model.close()


async def test_a_load_in_the_background_that_fails_is_logged_and_not_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = LocalModel(tmp_path / "none.gguf", Limits())

    model.start()
    await until(lambda: "cannot be loaded" in caplog.text)

    await model.close()
