"""Lock files: what a permit is, who may have it, and how it is given back."""

import asyncio
import errno
import gc
import os
import random
import signal
import struct
import tempfile
import time
from pathlib import Path

import pytest

from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.engine.shared.host import HostBackend, HostSlots, private_directory
from woodpecker_async.errors import ConfigError


def slots(places: int = 2, name: str = "a") -> HostSlots:
    """As in another process: with its own descriptors."""
    return HostBackend(name, lambda: places).slots("all")


async def is_free(of: HostSlots) -> bool:
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(0.05):
                await of.take()
        except TimeoutError:
            if time.monotonic() - began < 0.1:
                return False
            continue  # the machine was busy elsewhere, and time passed without a check
        of.give_back()
        return True


async def test_never_more_than_there_are_places() -> None:
    """Four that do not know about each other, two hundred visits, cancelled at random."""
    chance = random.Random(7)
    processes = [slots(3) for _ in range(4)]
    inside = peak = 0

    async def visit(of: HostSlots) -> None:
        nonlocal inside, peak
        await of.take()
        inside += 1
        peak = max(peak, inside)
        try:
            await asyncio.sleep(chance.random() * 0.004)
        finally:
            inside -= 1
            of.give_back()

    visits = [asyncio.create_task(visit(chance.choice(processes))) for _ in range(200)]
    while not all(visit.done() for visit in visits):
        await asyncio.sleep(0.002)
        chance.choice(visits).cancel()
    assert peak == 3
    for of in processes:
        for _ in range(3):
            await asyncio.wait_for(of.take(), 30)
        for _ in range(3):
            of.give_back()


async def test_within_a_process_first_come_first_served() -> None:
    here, elsewhere = slots(1), slots(1)
    await elsewhere.take()
    order: list[int] = []

    async def visit(number: int) -> None:
        await here.take()
        order.append(number)
        here.give_back()

    visits = [asyncio.create_task(visit(number)) for number in range(20)]
    await asyncio.sleep(0.02)
    elsewhere.give_back()
    await asyncio.gather(*visits)
    assert order == list(range(20))


@pytest.mark.parametrize("disk_is_full", [False, True])
async def test_a_place_may_rest_after_it_was_given_back(disk_is_full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere = slots(1), slots(1)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    if disk_is_full:
        monkeypatch.setattr(os, "pwrite", full)
    await here.take()
    here.give_back(after=0.3)
    assert not await is_free(elsewhere)
    assert not await is_free(here)
    async with asyncio.timeout(5):
        await elsewhere.take()
    elsewhere.give_back()


async def test_a_rest_from_before_a_restart_of_the_machine_does_not_count() -> None:
    here = slots(1)
    assert await is_free(here)
    (private_directory() / "a-all-0").write_bytes(struct.pack("d", time.monotonic() + 1e9))
    assert await is_free(here)


async def test_a_long_rest_is_a_rest() -> None:
    """As if `queue_wait` were long, and the server slow."""
    here = slots(1)
    await here.take()
    here.give_back(after=1e9)
    assert not await is_free(here)


async def test_a_place_that_is_held_is_given_back_early_or_late() -> None:
    here, elsewhere = slots(2), slots(2)
    await here.take()
    give_back = here.hold(30)
    await here.take()  # the other one
    assert not await is_free(elsewhere)
    assert not await is_free(here)
    give_back()
    give_back()  # once is enough
    assert await is_free(elsewhere)
    await elsewhere.take()
    assert not await is_free(here)
    here.give_back()
    assert await is_free(here)


async def test_a_place_that_is_held_rests_when_its_process_has_ended() -> None:
    gone, elsewhere = slots(1), slots(1)
    await gone.take()
    give_back = gone.hold(0.4)
    gone.leave_to_parent()  # its files are closed, as they are at the end of a process
    give_back()
    del gone
    assert not await is_free(elsewhere)
    async with asyncio.timeout(5):
        await elsewhere.take()
    elsewhere.give_back()


async def test_a_place_that_is_held_when_its_event_loop_has_ended_is_free_in_time() -> None:
    """Even if the promise to give it back is still pending somewhere."""
    ended, elsewhere = slots(1), slots(1)
    await ended.take()
    give_back = ended.hold(2)
    del ended
    gc.collect()
    assert not await is_free(elsewhere)
    async with asyncio.timeout(30):
        await elsewhere.take()
    give_back()
    assert not await is_free(slots(1))
    elsewhere.give_back()


async def test_lanes_do_not_disturb_each_other() -> None:
    backend = HostBackend("a", lambda: 1)
    first, second = backend.slots("1"), backend.slots("2")
    await first.take()
    assert await is_free(second)
    assert await is_free(slots(1, name="b"))
    first.give_back()


async def test_what_a_loop_left_behind_is_given_back() -> None:
    forgotten, here = slots(1), slots(1)
    await forgotten.take()
    assert not await is_free(here)
    del forgotten
    gc.collect()
    assert await is_free(here)


async def test_files_that_were_tidied_away_are_made_again() -> None:
    here = slots(1)
    directory = private_directory()
    assert await is_free(here)
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()
    assert await is_free(here)


@pytest.mark.system
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
async def test_a_forked_child_keeps_no_place(recwarn: pytest.WarningsRecorder) -> None:
    """Not the parent's, neither while the parent lives nor after it has died."""
    here, elsewhere = slots(1), slots(1)
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:  # the parent in this test, with a child that outlives it
        asyncio.events._set_running_loop(None)
        try:

            async def story() -> None:
                mine = slots(1)
                await mine.take()
                child = os.fork()
                if child == 0:
                    mine.give_back()  # not its to give
                    signal.pause()
                os.write(write, b"%d\n" % child)
                signal.pause()

            asyncio.new_event_loop().run_until_complete(story())
        finally:
            os._exit(1)
    child = int(await asyncio.to_thread(os.read, read, 100))
    try:
        assert not await is_free(here)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        async with asyncio.timeout(5):
            await here.take()
        assert not await is_free(elsewhere)
        here.give_back()
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(read)
        os.close(write)


def test_nobody_elses_directory_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / f"woodpecker-async-{os.geteuid()}"
    assert private_directory() == path
    assert path.stat().st_mode & 0o777 == 0o700
    path.chmod(0o755)
    with pytest.raises(ConfigError, match="mode 700"):
        private_directory()
    path.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="mode 700"):
        private_directory()
    path.unlink()
    path.write_text("")
    with pytest.raises(ConfigError, match="cannot make"):
        private_directory()
    path.unlink()
    path.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    path.rename(tmp_path / f"woodpecker-async-{os.geteuid()}")
    with pytest.raises(ConfigError, match="belongs to this user"):
        private_directory()


async def test_a_file_that_cannot_be_opened_is_said_to_be_so() -> None:
    here = slots(1)
    path = private_directory() / "a-all-0"
    path.symlink_to("/nowhere")
    with pytest.raises(SlotsUnavailableError, match="a-all-0 cannot be opened"):
        await here.take()
