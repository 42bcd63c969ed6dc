"""Reading and writing reports: only regular files are replaced, and errors are found first."""

import errno
import json
import os
import socket
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from woodpecker_async.cli import files

ALL = ("keys", "list", "--all", "--quiet")


def names(directory):
    return sorted(file.name for file in directory.iterdir())


def test_a_report_goes_through_links_and_keeps_permissions(cli, tmp_path):
    real, first, second = tmp_path / "elsewhere" / "real", tmp_path / "first", tmp_path / "second"
    real.parent.mkdir()
    first.symlink_to("elsewhere/real")
    second.symlink_to(first)
    for mode in (0o600, 0o640):  # there is none at first
        assert cli(*ALL, "--report", second).code == 0
        assert second.is_symlink()
        assert first.is_symlink()
        assert len(json.loads(real.read_text())["done"]) == 6
        assert stat.S_IMODE(real.stat().st_mode) == mode
        real.chmod(0o640)
    assert names(real.parent) == ["real"]
    assert names(tmp_path) == ["elsewhere", "first", "second"]


def test_a_fifo_gets_the_report(cli, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()), daemon=True)
    reader.start()
    deadline = 50
    while (got := cli(*ALL, "--report", fifo)).code == 2 and deadline:  # wait until the thread has opened it
        deadline -= 1
    reader.join(10)
    assert got.code == 0
    assert len(json.loads(read[0])["done"]) == 6
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_without_a_reader(cli, box, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    before = len(box.journal)
    got = cli(*ALL, "--report", fifo)
    assert (got.code, got.out) == (2, "")
    assert got.err == f"Error: nothing is reading from {fifo}: start its reader first\n"
    assert len(box.journal) == before


def test_descriptors(real, tmp_path):
    # Our own links: a bug must not destroy the machine's /dev/stdout.
    stdout, stderr = tmp_path / "stdout", tmp_path / "stderr"
    stdout.symlink_to("/proc/self/fd/1")
    stderr.symlink_to("/proc/self/fd/2")
    got = real(*ALL, "--report", stderr)
    assert (got.code, len(json.loads(got.err)["done"])) == (0, 6)
    out = tmp_path / "out"
    with out.open("w") as stream, real.start(*ALL, "--report", stdout, stdout=stream) as process:
        got = real.ended(process)
    assert got.code == 2
    assert got.err == f"Error: {stdout} is the file that stdout or stderr is redirected to: use another\n"
    assert out.read_text() == ""
    assert stdout.is_symlink()
    assert stderr.is_symlink()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_not_replaced(cli, tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    assert cli(*ALL, "--report", device).code == 0
    assert stat.S_ISCHR(device.stat().st_mode)
    os.mknod(tmp_path / "disk", 0o600 | stat.S_IFBLK, os.makedev(7, 250))
    assert "is a socket or a block device" in cli(*ALL, "--report", tmp_path / "disk").err


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.symlink_to(path), "cannot write"),
        (lambda path: path.symlink_to("nowhere/file"), "there is no directory"),
        (lambda path: (path.with_name("a").touch(), path.hardlink_to(path.with_name("a"))), "hard links"),
    ],
)
def test_what_is_no_place_for_a_report(cli, box, tmp_path, make, said):
    make(tmp_path / "report")
    before, there = len(box.journal), names(tmp_path)
    got = cli(*ALL, "--report", tmp_path / "report")
    assert (got.code, got.out, len(got.err.splitlines())) == (2, "", 1)
    assert said in got.err
    assert len(box.journal) == before
    assert names(tmp_path) == there


def test_a_socket_is_no_place_for_a_report(cli):
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
        path = Path(directory) / "socket"
        listening.bind(str(path))
        assert cli(*ALL, "--report", path).code == 2
        assert stat.S_ISSOCK(path.stat().st_mode)


def test_a_directory_that_cannot_be_written_to(cli, box, tmp_path, monkeypatch):
    def refused(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    before = len(box.journal)
    # Permissions do not stop root, so the system call is made to fail.
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    got = cli(*ALL, "--report", tmp_path / "report")
    assert (got.code, got.err) == (2, f"Error: cannot write to {tmp_path}: Read-only file system\n")
    assert len(box.journal) == before


def test_links_that_somebody_else_made(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "report"
    link.symlink_to(tmp_path / "target")
    with files.saved_to(link):
        pass
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(Path, "lstat", lambda path: os.stat_result((stat.S_IFLNK, 0, 0, 1, 815, 0, 0, 0, 0, 0)))
    with pytest.raises(files.UsageError, match="another user"), files.saved_to(link):
        pass


def test_a_file_mounted_by_itself():
    assert files._is_mount_point(Path("/proc"))
    assert not files._is_mount_point(Path(__file__))


@pytest.mark.parametrize("when", ["fchmod", "fsync", "replace"])
def test_a_report_that_cannot_be_saved_leaves_the_old_one(cli, tmp_path, monkeypatch, when):
    path = tmp_path / "report"
    path.write_text("old")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(os, when, full)
    got = cli(*ALL, "--report", path)
    assert (got.code, len(got.out.splitlines())) == (1, 19)
    assert got.err == f"Error: the report was not saved: {path}: No space left on device\n"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["report"]


def test_a_file_that_became_something_else(tmp_path):
    path = tmp_path / "report"
    with files.saved_to(path) as save:
        path.symlink_to(tmp_path / "other")
        with pytest.raises(FileExistsError):
            save("text")
    assert names(tmp_path) == ["report"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"\x00" * 100, b"{}", b"[]", b"null", b'"x"', b'{"version": 1}', b"\xef\xbb\xbf{}"],
)
def test_broken_reports_are_one_clear_error(cli, box, tmp_path, content):
    path = tmp_path / "report"
    path.write_bytes(content)
    before = len(box.journal)
    got = cli(*ALL, "--resume", path)
    assert (got.code, got.out, len(got.err.splitlines())) == (2, "", 1)
    assert got.err.startswith(f"Error: {path}: ")
    assert len(box.journal) == before


def test_reports_that_have_no_end(cli, monkeypatch):
    monkeypatch.setattr(files, "_MAX_REPORT", 1024**2)
    got = cli(*ALL, "--resume", "/dev/zero")
    assert (got.code, got.err) == (2, "Error: /dev/zero is larger than 1 MiB: this is not a saved report\n")


def test_a_report_from_a_pipe(real, tmp_path):
    report = tmp_path / "report"
    assert real(*ALL, "--report", report).code == 0
    with (
        subprocess.Popen(["cat", report], stdout=subprocess.PIPE) as cat,
        real.start(*ALL, "--format", "jsonl", "--resume", "/dev/stdin", stdin=cat.stdout) as process,
    ):
        got = real.ended(process)
    assert (got.code, got.out, got.err) == (0, "", "")


# ---- the standard streams


def closing(*numbers):
    def close():
        for number in numbers:
            os.close(number)

    return close


@pytest.mark.parametrize("closed", [(1,), (0, 1)])
def test_stdout_closed(real, box, tmp_path, closed):
    before = len(box.journal)
    company = box.company_ids[0]
    for args in (
        (*ALL, "--report", tmp_path / "report"),
        ("keys", "create", "--company", company, "--label", "crm", "--output", tmp_path / "key"),
        ("companies", "list"),
        ("sandbox", "serve"),
    ):
        with real.start(*args, preexec_fn=closing(*closed)) as process:
            got = real.ended(process)
        assert (got.code, len(got.err.splitlines())) == (2, 1)
        assert got.err.startswith("Error: stdout is closed")
    assert names(tmp_path) == []
    assert len(box.journal) == before


def test_stdout_open_for_reading_only(real, box):
    before = len(box.journal)
    with Path(os.devnull).open() as null, real.start(*ALL, stdout=null) as process:
        got = real.ended(process)
    assert (got.code, got.err) == (2, "Error: stdout is open for reading only\n")
    assert len(box.journal) == before


def test_everything_closed(real, box):
    before = len(box.journal)
    with real.start(*ALL, preexec_fn=closing(0, 1, 2)) as process:
        assert real.ended(process).code == 2
    assert len(box.journal) == before


def test_stderr_closed_is_as_good_as_the_null_device(real, box):
    with real.start(*ALL, "--company", "x", preexec_fn=closing(2)) as process:
        got = real.ended(process)
    assert (got.code, got.out, got.err) == (2, "", "")
    with real.start("keys", "list", "--company", "4", preexec_fn=closing(2)) as process:
        got = real.ended(process)
    assert (got.code, got.err) == (3, "")
    assert "(failed)" in got.out
