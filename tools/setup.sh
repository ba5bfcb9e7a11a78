#!/usr/bin/env bash
# Sets up everything that `make run`, `make test`, `make lint` and `make docs` need: Debian packages (only those missing) and the
# virtual environment .venv in this folder. Quick to repeat: a second run checks and does nothing.
# usage: tools/setup.sh EXTRAS      EXTRAS: comma-separated extras of setup.cfg, e.g. "test", "lint", "docs" or ""
# VENV=FOLDER sets another virtual environment up: that of the extra test-adapt, which has torch (for CPUs alone).
set -euo pipefail
cd "$(dirname "$0")/.."
extras=${1:-}
venv=${VENV:-.venv}
python=${PYTHON:-python3}

command -v "$python" >/dev/null || { echo "setup: $python not found; install Python 3.10+ first" >&2; exit 2; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || { echo "setup: $("$python" --version) is too old; 3.10+ is needed (set PYTHON=/path/to/python3.10)" >&2; exit 2; }

packages=()
if [[ ! "$extras" =~ ^(lint|docs|test-adapt)$ ]]; then  # these read programs and run none
    command -v bwrap >/dev/null || packages+=(bubblewrap)
    has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || [ -e "/usr/lib/x86_64-linux-gnu/$1" ]; }
    has_library libseccomp.so.2 || packages+=(libseccomp2)
    has_library libgomp.so.1 || packages+=(libgomp1)  # llama.cpp, which runs the embedded model
fi
if [[ ",$extras," == *,test,* ]]; then  # what only tests need: a compiler, a browser for the report, a stopwatch for `pie-bench noise`
    command -v g++ >/dev/null || packages+=(g++)
    command -v chromium >/dev/null || packages+=(chromium)
    command -v hyperfine >/dev/null || packages+=(hyperfine)
    compgen -G '/usr/lib/*/libcairo.so.2' >/dev/null || packages+=(libcairo2)
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${packages[*]}"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n)
        elif command -v sudo >/dev/null && [ -t 0 ]; then as_root=(sudo)
        else as_root=(false); fi
    fi
    if ! command -v apt-get >/dev/null || [ "${as_root[0]:-}" = false ]; then
        echo "setup: missing Debian packages: ${packages[*]}" >&2
        echo "setup: they cannot be installed from here; run this and try again:" >&2
        echo "    sudo apt-get update && sudo $install" >&2
        exit 2
    fi
    echo "setup: installing ${packages[*]} with apt"
    run_apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }
    if ! { run_apt update && run_apt install -y --no-install-recommends "${packages[@]}"; } >.setup-apt.log 2>&1; then
        tail -n 20 .setup-apt.log >&2
        echo "setup: apt failed (log: .setup-apt.log); run: sudo apt-get update && sudo $install" >&2
        exit 2
    fi
    rm -f .setup-apt.log
fi

stamp="$venv/.installed-$(cat setup.cfg pyproject.toml | sha256sum | cut -c1-16)-${extras:-base}"
if [ ! -e "$stamp" ]; then
    [ -x "$venv/bin/python" ] || { echo "setup: creating $venv"; "$python" -m venv "$venv"; }
    echo "setup: installing the Python packages into $venv (a minute or two the first time)"
    install=("$venv/bin/python" -m pip install -q --disable-pip-version-check)
    if [[ ",$extras," == *,test-adapt,* ]]; then  # what PyPI has brings 3 GB for GPUs along
        "${install[@]}" 'torch==2.13.0+cpu' 2>/dev/null ||
            "${install[@]}" torch --index-url https://download.pytorch.org/whl/cpu ||
            echo "setup: no torch for CPUs alone is to be had; taking PyPI's" >&2
    fi
    "${install[@]}" -e ".${extras:+[$extras]}"
    touch "$stamp"
fi
