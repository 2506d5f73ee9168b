"""The doctor: it finds what is there, survives what is broken, and tries the main job for real."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vidstyle import diagnosis
from vidstyle.cli.app import run
from vidstyle.diagnosis import Finding


@pytest.fixture(autouse=True)
def _shipped(library_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)


def states(found: diagnosis.Diagnosis, topic: str) -> dict[str, str]:
    return {f.name: f.state for f in found.findings if f.topic == topic}


def test_a_working_machine_paints_the_trial_film() -> None:
    found = diagnosis.diagnose()
    assert found.main_job.state == "ok", found.main_job.text
    assert "3 of 3 frames" in found.main_job.text
    assert states(found, "engines")["openvino"] == "ok"
    assert states(found, "devices")["CPU"] == "ok"
    assert states(found, "styles") == {"network classic": "ok", "network live": "ok"}
    assert states(found, "encoders")["h264"] == "ok"
    assert not [f for f in found.findings if f.state == "failed"]


def test_the_versions_of_all_that_the_core_needs_are_told() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]]
    assert names
    assert set(names) <= set(diagnosis.PACKAGES)


def test_gpus_are_named_as_flags_call_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.backends.gpu.nvidia_gpus", lambda: ["GPU A", "GPU B"])
    found = {finding.name: finding.text for finding in diagnosis._devices()}
    assert (found["cuda:0"], found["cuda:1"]) == ("GPU A", "GPU B")


def test_a_part_that_breaks_is_reported_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise OSError("driver gone")
        yield

    monkeypatch.setattr(diagnosis, "_devices", broken)
    monkeypatch.setattr(diagnosis, "_main_job", broken)
    found = diagnosis.diagnose()
    assert states(found, "devices") == {"": "failed"}
    assert found.main_job.text == "OSError: driver gone"
    assert states(found, "engines")["openvino"] == "ok"


def test_each_network_is_judged_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(tmp_path))
    for name in ("broken", "Not A Name"):
        (tmp_path / "networks" / name).mkdir(parents=True)
    found = {finding.name: finding.state for finding in diagnosis._styles()}
    assert found == {"network broken": "failed", "network classic": "ok", "network live": "ok"}


def test_a_cache_on_a_full_disk_is_a_failure() -> None:
    resource = pytest.importorskip("resource", reason="no limits of a file's size here")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        found = list(diagnosis._caches())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [finding.state for finding in found] == ["failed"] * 4
    assert all("cannot be written to: File too large" in finding.text for finding in found)
    assert [finding.state for finding in diagnosis._caches()] == ["ok"] * 4


def test_a_cached_file_that_goes_while_it_is_looked_at_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "rglob", lambda folder, pattern: iter([folder / "gone"]))
    monkeypatch.setattr(Path, "is_file", lambda file: True)  # a moment ago it was there
    assert [finding.state for finding in diagnosis._caches()] == ["ok"] * 4


def test_a_missing_vgg_file_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDSTYLE_VGG", str(tmp_path / "vgg.safetensors"))
    (finding,) = diagnosis._vgg()
    assert finding.state == "failed"
    assert "does not exist" in finding.text


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("failed", 1)])
def test_the_exit_code_is_the_main_jobs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: diagnosis.State, code: int
) -> None:
    finding = Finding(topic="main job", name="render", state=state, text="3 frames")
    monkeypatch.setattr(diagnosis, "diagnose", lambda: diagnosis.Diagnosis(findings=[finding]))
    assert run(["doctor"]) == code
    assert "render: 3 frames" in capsys.readouterr().out
    assert run(["doctor", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is (code == 0)
    assert told["findings"] == [{"topic": "main job", "name": "render", "state": state, "text": "3 frames"}]
