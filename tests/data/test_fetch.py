"""`dataset fetch`: says where to get the files; verifies what comes from a folder, file:// or HTTP, and unpacks it."""

import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import load_dataset

ROW = {"problem_id": "p1", "src_id": "a", "tgt_id": "b", "src_code": "int main(){}", "tgt_code": "int main(){ }"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A user's download: two splits, and the tests as a zip."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "train.jsonl").write_text(json.dumps(ROW) + "\n")
    (folder / "test.jsonl").write_text(json.dumps(ROW | {"tests": ["0"]}) + "\n")
    with zipfile.ZipFile(folder / "merged_test_cases.zip", "w") as out:
        out.writestr("merged_test_cases/p1/input.0.txt", "in\n")
        out.writestr("merged_test_cases/p1/output.0.txt", "out\n" * 100_000)
    return folder


class Handler(BaseHTTPRequestHandler):
    """Serves a folder with byte ranges; `asked` records the requests, `breaks_at` cuts the first answer short."""

    def __init__(self, folder: Path, asked: list[str], breaks: list[int], *rest: object) -> None:
        self.folder, self.asked, self.breaks = folder, asked, breaks
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        span = self.headers.get("Range", "")
        self.asked.append(f"{self.path} {span}".strip())
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        begin = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        stop = self.breaks.pop() if self.breaks and path.suffix == ".zip" else len(data)
        self.wfile.write(data[begin:stop])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(files: Path) -> Iterator[tuple[str, list[str], list[int]]]:
    asked: list[str] = []
    breaks: list[int] = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, files, asked, breaks))
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}", asked, breaks
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def fetch(source: str | Path, target: Path) -> int:
    return main(["dataset", "fetch", "--from", str(source), "--to", str(target)])


@pytest.mark.parametrize("how", ["folder", "file", "http"])
def test_laid_out_verified_and_usable(
    how: str, files: Path, server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"folder": str(files), "file": files.as_uri(), "http": server[0]}[how]
    target = tmp_path / "pie"
    assert fetch(source, target) == 0
    said = capsys.readouterr()
    assert "train.jsonl: sha256" in said.out
    assert "(first seen, noted in SHA256SUMS), 1 rows, the paper has 77967" in said.out
    assert "missing: val.jsonl" in said.err
    assert sorted(path.name for path in target.iterdir()) == [
        *("SHA256SUMS", "merged_test_cases.zip", "test.jsonl", "train.jsonl")
    ]
    digest = hashlib.sha256((files / "test.jsonl").read_bytes()).hexdigest()
    assert f"{digest}  test.jsonl\n" in (target / "SHA256SUMS").read_text()
    monkeypatch.setenv("PIE_DATA_DIR", str(target))
    dataset = load_dataset("pie", "test", with_tests=True)
    assert dataset.tests(dataset.pairs[0])[0].input == b"in\n"
    assert main(["dataset", "fetch"]) == 0
    said = capsys.readouterr()
    assert "test.jsonl: sha256" in said.out
    assert "as SHA256SUMS says" in said.out


def test_it_says_where_the_published_files_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIE_DATA_DIR", raising=False)
    assert main(["dataset", "fetch"]) == 0
    said = capsys.readouterr().out
    assert "https://drive.google.com/drive/folders/1E_yFqM8khN1HAH03OKhjheSlNI4rYTT7" in said
    assert "--from FOLDER" in said
    assert main(["dataset", "fetch", "--from", "/"]) == 2
    assert "no target folder; give --to DIR" in capsys.readouterr().err


def test_a_file_that_changed_is_refused(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "pie"
    assert fetch(files, target) == 0
    (target / "test.jsonl").write_text("{}\n")
    capsys.readouterr()
    assert fetch(files, target) == 2
    assert "test.jsonl: is not the file that SHA256SUMS lists" in capsys.readouterr().err
    (target / "test.jsonl").unlink()
    assert fetch(files, target) == 0, "deleted and fetched again"


def test_a_list_of_sums_that_comes_with_the_files_counts(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "pie"
    (files / "SHA256SUMS").write_text(f"{'0' * 64}  test.jsonl\n")
    assert fetch(files, target) == 2
    assert "is not the file that" in capsys.readouterr().err
    assert not (target / "test.jsonl").exists(), "what is not verified is not in place"
    (files / "SHA256SUMS").write_text("nonsense\n")
    assert fetch(files, target) == 2
    assert "SHA256SUMS:1: not in sha256sum's format" in capsys.readouterr().err


def test_a_broken_download_is_continued(
    files: Path, server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, asked, breaks = server
    target = tmp_path / "pie"
    size = (files / "merged_test_cases.zip").stat().st_size
    breaks.append(size // 2)
    assert fetch(url, target) == 2
    assert "merged_test_cases.zip: could not be fetched" in capsys.readouterr().err
    assert (target / "merged_test_cases.zip.part").stat().st_size == size // 2
    asked.clear()
    assert fetch(url, target) == 0
    assert f"/merged_test_cases.zip bytes={size // 2 - 1}-" in asked
    assert not any(line.startswith("/test.jsonl") for line in asked), "what is in place is not fetched again"
    assert (target / "merged_test_cases.zip").read_bytes() == (files / "merged_test_cases.zip").read_bytes()


def test_invalid_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(tmp_path / "missing", tmp_path / "pie") == 2
    assert "not a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert fetch(tmp_path / "empty", tmp_path / "pie") == 2
    assert "contains none of train.jsonl" in capsys.readouterr().err
    assert fetch("http://127.0.0.1:9/x", tmp_path / "pie") == 2
    assert "could not be fetched" in capsys.readouterr().err
