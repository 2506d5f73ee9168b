"""Uploads of a studio that was killed go when the next one starts; those of one that runs stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vidstyle.web.uploads import UploadFolder

HOLD = """
import sys
from pathlib import Path
from vidstyle.web.uploads import UploadFolder
folder = UploadFolder(Path(sys.argv[1]))
(folder.path / "film").write_bytes(b"film")
print(folder.path, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_studio_left_is_removed_and_what_others_hold_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as living,
    ):
        assert killed.stdout is not None
        assert living.stdout is not None
        left, held = Path(killed.stdout.readline().strip()), Path(living.stdout.readline().strip())
        killed.kill()
        killed.wait()
        assert (left / "film").exists()
        with UploadFolder(tmp_path) as mine:
            assert not left.exists()
            assert (held / "film").exists()
            with UploadFolder(tmp_path) as second:
                assert second.path != mine.path
            assert mine.path.exists()
        living.communicate()  # it ends without closing
    with UploadFolder(tmp_path) as mine:
        assert sorted(path.name for path in tmp_path.iterdir()) == [mine.path.name, f"{mine.path.name}.lock"]
    assert not list(tmp_path.iterdir())


def test_folders_of_earlier_versions_without_a_lock_are_removed_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "studio-abc").mkdir()
    (tmp_path / "studio-abc" / "film").touch()
    (tmp_path / "notes.txt").touch()
    with UploadFolder(tmp_path) as mine:
        assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", mine.path.name, f"{mine.path.name}.lock"}


@pytest.mark.usefixtures("without_locks")
def test_a_file_system_without_locks_keeps_uploads(tmp_path: Path) -> None:
    with UploadFolder(tmp_path) as folder:
        assert folder.path.is_dir()
