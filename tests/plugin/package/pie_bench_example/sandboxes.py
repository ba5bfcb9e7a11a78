"""A sandbox: something called without arguments that runs commands; here one of the package's own under a name."""

from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import Sandbox


def first_that_works() -> Sandbox:
    return choose_sandbox()
