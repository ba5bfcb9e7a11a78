"""The processor model on short traces: `model_test.cpp`, compiled by the pinned compiler, run in the sandbox."""

from __future__ import annotations

from pathlib import Path

from pie_bench.execution.environment import Environment
from pie_bench.execution.isa import X86_64
from pie_bench.execution.sandbox.sandbox import Command, File, Sandbox
from pie_bench.execution.simulators.qemu import build
from pie_bench.execution.simulators.qemu.simulator import machine_file
from pie_bench.execution.simulators.qemu.spec import QemuSpec

_PARTS = ("machine", "decode", "predictor", "caches", "core")


def test_parts_of_the_model(ruler: Environment, sandbox: Sandbox):
    assert isinstance(ruler.spec.simulator, QemuSpec)
    sources = {
        f"/w/{path.name}": File(path.read_bytes())
        for path in build.source_files(X86_64)
        if path.stem in _PARTS or path.name == "arch.h"
    }
    sources["/w/model_test.cpp"] = File(Path(__file__).with_name("model_test.cpp").read_bytes())
    sources["/w/machine"] = File(machine_file(ruler.spec.simulator.parameters, {}))
    names = " ".join(name for name in sorted(sources) if name.endswith(".cpp"))
    library = f"{build.LIBRARIES}/libZydis.so.4.0"
    finished = sandbox.run(
        Command(
            [
                "/bin/sh",
                "-c",
                f"{ruler.spec.toolchain.compiler} -std=c++17 -O1 -static-libstdc++ -static-libgcc -I/w "
                f"-I{build.TOOLS}/usr/include {names} {library} -Wl,-rpath-link,{build.LIBRARIES} -o /tmp/t && "
                f"{build.LIBRARIES}/ld-linux-x86-64.so.2 --library-path {build.LIBRARIES} /tmp/t /w/machine",
            ],
            files=sources,
            environment={"PATH": "/usr/bin", "LC_ALL": "C"},
            root=ruler.root,
            shown={build.TOOLS: ruler.found.handle.tools},
        ),
        ruler.spec.compile_limits,
        "compile",
    )
    assert (finished.exit_code, finished.stdout.decode().strip()) == (0, "0 failures"), finished.stderr.decode()
