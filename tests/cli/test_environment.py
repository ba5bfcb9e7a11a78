"""`environment` and `doctor`: what can be measured here, and what to do about the rest."""

import io
import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.execution.environment import environment_names
from pie_bench.execution.rootfs import load_root_spec


def test_every_environment_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["environment", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == environment_names()


def test_environments_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["environment", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == environment_names()
    assert [each["name"] for each in listed if each["is_default"]] == ["skylake"]
    (default,) = (each for each in listed if each["is_default"])
    assert default | {"simulator": "qemu", "root": "debian-11", "comparator": "standard"} == default


def test_doctor_fails_when_the_default_environment_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIE_BENCH_ROOTS", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "the default environment, skylake, cannot be used here" in err
    said = json.loads(out)
    by_name = {finding["what"]: finding for finding in said["findings"] if finding["is_environment"]}
    assert not said["usable"]
    assert "pie-bench environment build" in by_name["skylake"]["says"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "builds"), [("\n", True), ("yes\n", True), ("n\n", False), ("", False)])
def test_doctor_offers_to_build_at_a_terminal(
    answer: str, builds: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The roots' folder is a file, so the build fails and names the place where it was tried."""
    (tmp_path / "roots").write_text("no folder")
    monkeypatch.setenv("PIE_BENCH_ROOTS", str(tmp_path / "roots"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    screen = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stdout", screen)
    errors = io.StringIO()
    monkeypatch.setattr("sys.stderr", errors)
    code = main(["doctor"])
    assert "skylake is not built yet: " in screen.getvalue()
    assert ("the root file system debian-11 cannot be built there" in errors.getvalue()) == builds
    assert code == (2 if builds else 1)


def test_doctor_asks_nothing_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIE_BENCH_ROOTS", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "Build it now?" not in out
    assert "see its line above; pie-bench doctor --build builds it" in err
    (tmp_path / "roots").write_text("no folder")
    monkeypatch.setenv("PIE_BENCH_ROOTS", str(tmp_path / "roots"))
    assert main(["doctor", "--build"]) == 2
    assert "cannot be built there" in capsys.readouterr().err


def test_building_says_where_and_with_which_sum(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["environment", "build"]) == 0
    said = capsys.readouterr().out
    assert all(load_root_spec(root).tree_sha256 in said for root in ("debian-11", "debian-12-qemu"))


def test_doctor_tries_everything_and_names_the_remedies(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIE_GEM5_BINARY", "/nowhere/gem5.opt")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    lines = {line[9:33].strip(): line for line in said.splitlines()}
    assert lines["sandbox"].startswith("ok")
    assert lines["skylake"].startswith("ok")
    assert "g++-9 (Debian 9.3.0-22) 9.3.0, timing model in QEMU (" in lines["skylake"]
    if lines["gem5-skylake"].startswith("missing"):  # a machine may have one on its PATH
        assert "no usable gem5, see above" in lines["gem5-skylake"]
    assert "/nowhere/gem5.opt: no program there; set it to a gem5 binary built for X86" in said
    assert "start Docker, or Podman" in said
