"""What machine.py uses of gem5's Python, without a simulator.

A "program" is a text of commands, one a line: `work N` (N instructions), `entry` and `main` (marks), `echo` (copies
stdin to stdout), `exit CODE`, `crash MESSAGE`, `m5exit`, `spin`. An instruction takes 1,000 ticks.
"""

import os
import sys
import time

from m5 import objects, stats

TICKS = 1000


class _Event:
    def __init__(self, cause, code=0):
        self._cause, self._code = cause, code

    def getCause(self):
        return self._cause

    def getCode(self):
        return self._code


class core:
    @staticmethod
    def setInterpDir(path):
        pass


def instantiate():
    outdir = next(a.partition("=")[2] for a in os.environ["FAKE_GEM5_ARGUMENTS"].split() if a.startswith("--outdir="))
    os.makedirs(outdir, exist_ok=True)
    process = objects.machine["process"]
    for name in (process.output, process.errout, "stats.txt"):
        objects.machine[name] = os.open(os.path.join(outdir, name), os.O_RDWR | os.O_CREAT)
    with open(process.executable) as file:
        objects.machine["program"] = file.read().split("\n")
    objects.machine.update(line=0, ticks=0, instructions=0, left=0)


def curTick():
    return objects.machine["ticks"]


def simulate(ticks):
    machine, limit = objects.machine, curTick() + ticks
    while True:
        stops = sorted(s for s in machine["stops"] if s[0] > machine["instructions"])
        if machine["left"]:
            step = machine["left"]
            if stops:
                step = min(step, stops[0][0] - machine["instructions"])
            step = min(step, (limit - machine["ticks"]) // TICKS)
            if step == 0:
                machine["ticks"] = limit
                return _Event("simulate() limit reached")
            machine["left"] -= step
            machine["instructions"] += step
            machine["ticks"] += step * TICKS
            if stops and machine["instructions"] == stops[0][0]:
                return _Event(stops[0][1])
            continue
        command, _, argument = machine["program"][machine["line"]].partition(" ")
        machine["line"] += 1
        if command == "work":
            machine["left"] = int(argument)
        elif command == "echo":
            data = os.read(0, 1 << 20)
            machine["left"] = len(data)
            os.write(machine[machine["process"].output], data)
        elif command == "exit":
            return _Event("exiting with last active thread context", int(argument))
        elif command == "m5exit":
            return _Event("m5_exit instruction encountered")
        elif command == "sleep":
            time.sleep(float(argument))
        elif command == "drift":  # a simulator that is not deterministic
            machine["left"] = os.getpid()
        elif command == "crash":
            sys.stderr.write(argument + "\n")
            sys.stderr.flush()
            os.abort()


stats.dump = lambda: os.write(
    objects.machine["stats.txt"],
    (
        "\n---------- Begin Simulation Statistics ----------\n"
        f"system.cpu.numCycles   {curTick() // 286}   # Number of cpu cycles simulated (Cycle)\n"
        "system.cpu.commit.branchMispredicts   7   # (Count)\n"
        "system.cpu.icache.demandMisses::total   11   # (Count)\n"
        "\n---------- End Simulation Statistics   ----------\n"
    ).encode(),
)
