"""The benchmarks run, each in a tiny form that takes seconds. Their results are not checked here."""

import asyncio

import pytest

from benchmarks import main_job, peers
from benchmarks.__main__ import NAMES, main, run
from benchmarks.figures import blocks
from benchmarks.measure import Spread, client, in_turn, machine, ratio
from benchmarks.server import answering, serving

COMPARED = {
    "floor": peers.FLOOR,
    "sample": peers.SAMPLE,
    "requests": peers.REQUESTS,
    "httpx": peers.HTTPX,
    "aiohttp": peers.SEVEN,
    "typed": peers.TYPED,
    "sdk": peers.SDK,
}


@pytest.mark.system
@pytest.mark.parametrize("name", NAMES)
def test_each_runs(name):
    chapter = run(name, "tiny")
    assert chapter.title
    tables = [block for block in chapter.text.split("\n\n") if block.startswith("|")]
    tables += [table.strip() for table in blocks(chapter.text).values()]
    assert tables
    for table in tables:
        head, line, *rows = (row.split(" | ") for row in table.splitlines())
        assert rows
        assert {len(cells) for cells in (line, *rows)} == {len(head)}
    for picture in chapter.pictures.values():
        assert picture.startswith("<svg ")


@pytest.fixture(scope="module")
def canned():
    with answering(keys=100) as served:
        yield served


@pytest.fixture(scope="module")
def process():
    with client() as process:
        yield process


@pytest.mark.system
@pytest.mark.parametrize("name", COMPARED)
def test_every_client_does_the_same_work(name, canned, process):
    peer = COMPARED[name]
    if not peer.available:
        pytest.skip(f"{peer.needs} is not installed: pip install '.[bench]'")
    counts = process.run(_counts, peer, canned.target)
    # The SDK is asked for pages and returns the first; the others follow the pages.
    assert counts == ([50, 50, 1000] if peer.ours else [100, 50, 1000])


def _counts(peer, to):
    async def counts():
        async with peer.open(to) as fetch:
            return [await fetch(7), await fetch(None), await fetch(peers.PROSPECTS)]

    return asyncio.run(counts())


@pytest.mark.system
def test_what_is_refused_is_lost_by_hand_and_not_with_the_sdk(process):
    with serving(companies=20, keys_per_company=1, service_time=0.005) as served:
        by_hand = process.run(peers.by_hand, peers.UNBOUND, served.target)
        assert served.refused() == 20 - by_hand.answered > 0
        assert process.run(peers.in_bulk, served.target).answered == 20
        assert served.refused() == 0
        assert served.cpu() > 0


@pytest.mark.system
def test_an_error_in_a_client_process_is_raised_here(process):
    with pytest.raises(ZeroDivisionError):
        process.run(divmod, 1, 0)


def test_each_round_begins_with_another():
    order = []
    results = in_turn(3, {name: lambda name=name: order.append(name) or len(order) for name in "ab"})
    assert "".join(order) == "abbaab"
    assert results == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_ratios_are_made_within_a_round():
    assert ratio([1.0, 20.0, 3.0], to=[1.0, 10.0, 1.0]) == Spread(1.0, 2.0, 3.0)
    assert str(Spread(1.0, 2.0, 3.0)) == "2.00 (1.00 to 3.00)"


def test_unknown_names_are_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    assert "no benchmark nothing" in capsys.readouterr().err


def test_the_machine_is_named():
    assert all(word in machine() for word in (" cores (", "Python 3.", "aiohttp 3.", "msgspec "))


def test_a_share_is_of_the_time_the_server_could_have_worked():
    case = main_job.Case(companies=10, service=0.1, round_trip=0.0, rounds=1)

    class Server:
        def cpu(self):
            return 0.0

        def refused(self):
            return 4

    done = peers.Done(6, peers.Spent(2.0, 0.1))
    measured = main_job._measure(lambda: done, Server(), case)
    assert measured == main_job.Measured(seconds=2.0, refused=4, lost=4, share=pytest.approx(0.3), server_cpu=0.0)
