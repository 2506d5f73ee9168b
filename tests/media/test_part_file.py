"""Targets that must not or cannot be written are refused before any work is done, in one line."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.writing import given, noise
from vidstyle.errors import OutputError, UsageError
from vidstyle.media.part_file import (
    PartFile,
    check_file,
    check_target,
    check_writable,
    is_picture,
    is_sequence,
    output_error,
)
from vidstyle.media.protocol import Reader, Writer
from vidstyle.media.writer import open_writer

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names and devices")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "in.mp4"
    path.write_bytes(b"film")
    return path


def test_a_new_name_is_accepted(tmp_path: Path, film: Path) -> None:
    check_target(film, tmp_path / "out.mp4")
    check_target("-", tmp_path / "out %05.mkv")
    check_target(None, tmp_path / "new" / "f_%04d.png")  # the writer of pictures makes the folder


def test_what_exists_is_replaced_only_on_request(tmp_path: Path, film: Path) -> None:
    (tmp_path / "out.mp4").touch()
    with pytest.raises(OutputError, match="-y"):
        check_target(film, tmp_path / "out.mp4")
    with pytest.raises(OutputError, match="-y"):
        check_file(tmp_path / "out.mp4", overwrite=False)
    check_target(film, tmp_path / "out.mp4", overwrite=True)
    check_target("rtmp://example/film", tmp_path / "out.mp4", overwrite=True)
    check_file(tmp_path / "out.mp4", overwrite=True)


@posix
@pytest.mark.parametrize("link", ["same", "hard", "symbolic", "part"])
def test_a_film_is_never_written_over_itself(tmp_path: Path, film: Path, link: str) -> None:
    target = film if link == "same" else tmp_path / "other.mp4"
    source = film
    if link == "hard":
        os.link(film, target)
    elif link == "symbolic":
        target.symlink_to(film)
    elif link == "part":  # somebody renders what a killed run left, under the name it would have had
        source = tmp_path / "other.mp4.part"
        source.touch()
    with pytest.raises(UsageError, match="another name"):
        check_target(source, target, overwrite=True)


def test_a_sequence_is_never_written_over_itself(tmp_path: Path) -> None:
    (tmp_path / "f_0001.png").touch()
    with pytest.raises(UsageError, match="pattern"):
        check_target(tmp_path / "f_%04d.png", tmp_path / "f_%04d.png", overwrite=True)


def test_an_existing_sequence_is_replaced_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "f_0007.png").touch()
    with pytest.raises(OutputError, match=r"f_0007\.png"):
        check_target(None, tmp_path / "f_%04d.png")
    check_target(None, tmp_path / "f_%04d.png", overwrite=True)
    check_target(None, tmp_path / "g_%04d.png")
    check_target(None, tmp_path / "f_%d_%d.png")


@pytest.mark.parametrize(("name", "said"), [("missing/out.mp4", "no folder"), ("", "is a folder")])
def test_a_place_that_cannot_hold_it_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(OutputError, match=said):
        check_target(None, tmp_path / name)


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name a file"):
        check_target(None, name)


@pytest.mark.parametrize("name", ["", "."])
def test_a_page_or_drawing_needs_a_name_too(name: str) -> None:
    with pytest.raises(UsageError, match="name a file"):
        check_file(Path(name), overwrite=True)


def test_standard_output_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="closed"):
        check_target(None, "-")


def test_a_film_is_not_written_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as terminal:
        terminal.setattr(sys.stdout, "isatty", lambda: True)
        with pytest.raises(UsageError, match="redirect it"):
            check_target(None, "-")
    check_target(None, "-")


@posix
@pytest.mark.parametrize("length", [252, 300])
def test_a_name_too_long_for_the_system_is_refused(tmp_path: Path, length: int) -> None:
    """252 letters would do, but not with the ".part" that is added while it is written."""
    with pytest.raises(OutputError, match="another name"):
        check_target(None, tmp_path / ("n" * (length - 4) + ".mp4"))


@posix
def test_a_folder_to_be_made_behind_such_a_link_or_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for folder in (tmp_path / "loop" / "new", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError, match="cannot be written"):
            check_writable(folder, made=True)


def test_a_folder_to_be_made_below_a_file_is_refused(film: Path) -> None:
    with pytest.raises(OutputError, match=f"no folder {re.escape(str(film))};"):
        check_writable(film / "new", made=True)


@posix
def test_links_that_lead_back_to_themselves_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").symlink_to(tmp_path / "out.mp4")
    with pytest.raises(OutputError, match="another name"):
        check_target(None, tmp_path / "out.mp4")


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(None, folder / "out.mp4")


@pytest.mark.parametrize("name", ["out", "out.xyzzy", "out.mp3"])
def test_a_suffix_that_means_no_film_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.mp4"):
        check_target(None, tmp_path / name)


@pytest.mark.parametrize(
    ("name", "picture", "sequence"),
    [
        ("a.png", True, False),
        ("a_%04d.png", False, True),
        ("a_%d.JPG", False, True),
        ("50%_off.mp4", False, False),
        ("my%20dog.png", True, False),
    ],
)
def test_names_tell_pictures_from_sequences(name: str, picture: bool, sequence: bool) -> None:
    assert (is_picture(name), is_sequence(name)) == (picture, sequence)


@posix
def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    """Else the second would give its name to what the first goes on to write over."""
    target = tmp_path / "out.mp4"
    first, second = PartFile(target), PartFile(target)
    first.create()
    first.path.write_bytes(b"first")
    with pytest.raises(OutputError, match="being written by another run"):
        check_target(None, target)
    with pytest.raises(OutputError, match="being written by another run"):
        second.create()
    second.discard()
    assert first.path.read_bytes() == b"first"
    first.commit()
    check_target(None, target, overwrite=True)
    second.create()
    second.release()
    third = PartFile(target)
    third.create()  # what a run left unfinished is nobody's
    third.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@posix
def test_where_a_lock_would_keep_us_out_ourselves_there_is_none(tmp_path: Path, monkeypatch) -> None:
    """On Windows' shares a lock is the file's: FFmpeg, which opens it once more, could not write a byte."""
    part = PartFile(tmp_path / "out.mp4")
    with monkeypatch.context() as share:
        share.setattr(
            Path, "open", lambda *args, **kwargs: fail_with(PermissionError(errno.EACCES, "Permission denied"))
        )
        part.create()
    check_target(None, tmp_path / "out.mp4")
    part.discard()
    assert not list(tmp_path.iterdir())


def fail_with(error: Exception) -> None:
    raise error


@posix
def test_a_writer_leaves_another_runs_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    frames = noise(80)  # more than the encoder holds, which must not write the rest when it is closed
    with given(frames) as source, open_writer(target, source=source) as late:
        first = PartFile(target)
        first.create()
        first.path.write_bytes(b"first")
        with pytest.raises(OutputError, match="being written by another run"):
            write_all(late, source)
        late.close(commit=False)
    assert first.path.read_bytes() == b"first"
    assert not target.exists()


_PIPE_WITHOUT_READER = """
import os, sys, threading, time
from vidstyle.pipeline import render
from vidstyle.settings import RenderOptions

arguments = dict(options=RenderOptions(strength=0))
threading.Thread(target=render, args=sys.argv[1:], kwargs=arguments, daemon=True).start()
time.sleep(2)
print("still running", flush=True)
os._exit(0)
"""


@posix
def test_a_named_pipe_that_nobody_reads_holds_up_no_other_thread(tmp_path: Path, make_film) -> None:
    """FFmpeg, opening it, would wait with Python's lock in its hands: no signal would get through."""
    os.mkfifo(tmp_path / "out.mkv")
    words = [sys.executable, "-c", _PIPE_WITHOUT_READER, str(make_film()), str(tmp_path / "out.mkv")]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert result.stdout == "still running\n", result.stderr


def test_the_name_is_given_at_once_and_the_old_file_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"old")
    part = PartFile(tmp_path / "out.mp4")
    part.path.write_bytes(b"new")
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    part.commit()
    assert (tmp_path / "out.mp4").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o440])
@pytest.mark.parametrize("link", [False, True])
def test_what_is_replaced_stays_as_private_as_it_was(tmp_path: Path, mode: int, link: bool) -> None:
    real = tmp_path / "real.mp4"
    real.write_bytes(b"old")
    real.chmod(mode)
    target = tmp_path / "out.mp4" if link else real
    if link:
        target.symlink_to(real)
    part = PartFile(target)
    part.path.write_bytes(b"new")
    part.commit()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == mode


@posix
def test_what_replaces_a_private_film_is_private_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").touch(mode=0o400)
    (tmp_path / "out.mkv.part").touch()  # an earlier run's
    part = PartFile(tmp_path / "out.mkv")
    part.create()
    assert part.path.stat().st_mode & 0o777 == 0o600
    part.discard()


@posix
@pytest.mark.parametrize("name", ["out.mkv", "out.png"])
def test_what_replaces_a_private_film_stays_private(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch(mode=0o400)
    reader = given(noise(1))
    write_all(open_writer(tmp_path / name, source=reader, overwrite=True), reader)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o400


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "film.mp4").write_bytes(b"old")
    (tmp_path / "out.mp4").symlink_to(tmp_path / "real" / "film.mp4")
    part = PartFile(tmp_path / "out.mp4")
    part.path.write_bytes(b"new")
    part.commit()
    assert (tmp_path / "out.mp4").is_symlink()
    assert (tmp_path / "real" / "film.mp4").read_bytes() == b"new"


def write_all(writer: Writer, reader: Reader) -> None:
    for frame in reader:
        writer.write(frame)
    writer.close(commit=True)


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' /dev/full")
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "gif", "png"])
def test_a_full_disk_is_one_line(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    target.symlink_to("/dev/full")
    reader = given(noise(1 if suffix == "png" else 80))
    writer = open_writer(target, source=reader)
    with pytest.raises(OutputError, match="no room left") as caught:
        write_all(writer, reader)
    assert "\n" not in str(caught.value)
    assert target.is_symlink()


@posix
def test_a_reader_that_went_away_is_one_line(tmp_path: Path) -> None:
    pipe = tmp_path / "out.mkv"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    reader = given(noise(200))
    writer = open_writer(pipe, source=reader)
    for frame in reader.frames[:10]:  # what fits into the pipe, for nobody reads
        writer.write(frame)
    os.close(descriptor)
    with pytest.raises(OutputError, match="broken pipe"):
        write_all(writer, given(noise(190), pts=range(10, 200)))
    writer.close(commit=False)
    assert pipe.exists()


def test_other_trouble_keeps_the_systems_words() -> None:
    error = output_error(OSError(errno.EROFS, "Read-only file system"), "out.mp4.part")
    assert str(error) == "out.mp4.part cannot be written: Read-only file system"
