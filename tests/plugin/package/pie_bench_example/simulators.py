"""A simulator: what an environment says of it (`spec`), how it is found, opened and examined. Here one of the package's
own with another name."""

from collections.abc import Mapping
from typing import Literal

from pie_bench.execution.simulators.qemu.kind import QemuKind
from pie_bench.execution.simulators.qemu.spec import QemuSpec


class PatientSpec(QemuSpec):
    kind: Literal["patient"]  # type: ignore[assignment]


class Patient(QemuKind):
    spec = PatientSpec

    def version(self, facts: Mapping[str, str]) -> str:
        return f"patient {facts['plugin'][:12]}"
