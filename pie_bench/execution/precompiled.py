"""`<bits/stdc++.h>`, with which most contest programs begin, compiled once for each root, compiler and flags.

A program compiled with it is byte for byte the same as without, for a quarter of the CPU time. A program that begins
with anything else, such as a macro or a pragma, is compiled without it, because that may change what the header means.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from pie_bench.cpp import lex
from pie_bench.execution.sandbox.sandbox import SandboxError

PLACE = "/header"  # where its folder is shown inside
INCLUDE = "#include <bits/stdc++.h>\n"
TRIAL = (
    f"{INCLUDE}int main() {{ std::map<int, std::string> m; std::cin >> m[1]; std::cout << m[1]; assert(m.size()); }}"
)
_FILE = "bits/stdc++.h.gch"  # the compiler prefers it to bits/stdc++.h, also to one in a later folder
_IS_IT = re.compile(r"[ \t]*#[ \t]*include[ \t]*<bits/stdc\+\+\.h>[ \t\r]*(?://[^\n]*)?")


def begins_with_it(code: str) -> bool:
    """Whether the first thing that a program does is to include the header."""
    first = next((token for token in lex(code) if token.kind != "comment"), None)
    return first is not None and _IS_IT.fullmatch(first.text) is not None


def find_or_make(folder: Path, make: Callable[[], bytes], works: Callable[[Path], bool]) -> Path | None:
    """The folder with the compiled header, which `make` compiles if it is missing and `works` tries out.

    None if it cannot be made, does not work (an empty folder keeps that in mind), or there is no room for it: it only
    saves time.
    """
    if folder.is_dir():
        return folder if (folder / _FILE).is_file() else None
    part = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        part.chmod(0o755)
        (part / _FILE).parent.mkdir()
        (part / _FILE).write_bytes(make())
        if not works(part):
            (part / _FILE).unlink()
        part.rename(folder)
    except (OSError, SandboxError):
        pass  # another process may have been faster
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return folder if (folder / _FILE).is_file() else None
