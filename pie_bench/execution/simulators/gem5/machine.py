"""The simulated machine and the fork server: this file runs inside gem5's own Python, not in pie_bench's.

usage: gem5 machine.py JOB.json CHANNEL

It needs nothing but gem5 (v20.1 or newer, with the program's instruction set) and Python 3.6. `JOB.json` holds `isa`
(how the names of gem5's classes for it begin), `parameters` (the `gem5` part of an environment), `program` (host path),
`stopped_at_fork` and `stopped_at_main` (copies of it that end there), `argv`, `environment`, `root` (host path, with a
slash at its end), `tick_limit` and, or not, `host_second_limit`. CHANNEL is a socket's descriptor, or the path of a
socket to connect to.

A program's start-up is the same for every input, and simulating it is nearly all the work. So it is simulated once, up
to a point before anything can have looked at the input. The harness chooses that point and passes it as
`stopped_at_fork`, a copy of the program that ends there. The number of instructions before it is counted first, on that
copy, by the fast `AtomicSimpleCPU`. On Arm the out-of-order core itself counts them: there gem5's two processors differ
(`AtomicSimpleCPU` counts 4,100 more of libstdc++'s 1.3 million), and a stop after `main` would share among all inputs
what the program has read. From there a forked child continues for each input.

Messages on the socket are JSON objects: out `{"ready": {...}}`; in `{"run": NUMBER}` with the descriptors of
stdin, stdout, stderr and of the report; out `{"done": NUMBER, "status": WAIT_STATUS}` when the report is complete.
"""

import array
import json
import os
import select
import socket
import sys
import time

import m5
from _m5.core import gem5Version
from m5 import objects
from m5.params import AddrRange, allEnums

VERSION = 1  # of the simulation: raise it whenever a program's ticks would change; part of every measurement
STOP_AT_FORK = "at the fork"
STOP_AT_MAIN = "at main"
LIMIT = "simulate() limit reached"
HOST_LIMIT_STEP = 100000000  # ticks between two checks of the clock: about a second
MARGIN = 8  # the copies end in three extra instructions; the fork may come slightly early, never late


def processor(job):
    """The out-of-order core. Parameter names are gem5's; two of its classes have been renamed over the years."""
    core = job["parameters"]["core"]
    cpu = class_for(job, "O3CPU", "DerivO3CPU")()
    for name, value in core["pipeline"].items():
        setattr(cpu, name, value)
    cpu.fuPool = functional_units(core["ports"], core.get("unpipelined", ()))
    cpu.branchPred = branch_predictor(core["branch_predictor"])
    return cpu


def class_for(job, name, before):
    """gem5's class for the program's instruction set; `before`: what it was called in binaries with only one."""
    found = getattr(objects, job["isa"] + name, None)
    if found is None and job["isa"] == "X86":
        found = getattr(objects, before, None)
    if found is None:
        sys.stderr.write("it was built without the instruction set %s\n" % job["isa"])
        sys.stderr.flush()
        os._exit(1)  # gem5 prints a traceback behind any other exit
    return found


def functional_units(ports, unpipelined):
    units = []
    for port in ports:
        operations = []
        for name, latency in port.items():
            if name in allEnums["OpClass"].vals:
                operations.append(objects.OpDesc(opClass=name, opLat=latency, pipelined=name not in unpipelined))
        units.append(objects.FUDesc(opList=operations, count=1))
    return objects.FUPool(FUList=units)


def branch_predictor(parameters):
    predictor = objects.LTAGE()
    predictor.tage = objects.LTAGE_TAGE(**parameters["tage"])
    predictor.indirectBranchPred = objects.SimpleIndirectPredictor(**parameters["indirect"])
    if hasattr(objects, "SimpleBTB"):
        predictor.btb = objects.SimpleBTB(numEntries=parameters["btb_entries"], tagBits=parameters["btb_tag_bits"])
        predictor.ras = objects.ReturnAddrStack(numEntries=parameters["return_stack_entries"])
    else:
        predictor.BTBEntries = parameters["btb_entries"]
        predictor.BTBTagSize = parameters["btb_tag_bits"]
        predictor.RASSize = parameters["return_stack_entries"]
    return predictor


def cache(parameters):
    made = objects.Cache(replacement_policy=objects.TreePLRURP(), **parameters)
    return made


def machine(job, executable, cpu, timing):
    """The whole system around `cpu`, ready to run `executable` in syscall-emulation mode."""
    parameters = job["parameters"]
    m5.core.setInterpDir(job["root"].rstrip("/"))  # before anything opens the program: that opens its loader, too
    system = objects.System()
    system.clk_domain = objects.SrcClockDomain(clock=parameters["clock"], voltage_domain=objects.VoltageDomain())
    system.mem_mode = "timing" if timing else "atomic"
    low, high = parameters["memory"]["low_bytes"], parameters["memory"]["high_bytes"]
    system.mem_ranges = [
        AddrRange(0, size=low),
        AddrRange(0xC0000000, size=0x100000),
        AddrRange(1 << 32, size=high),
    ]
    system.mmap_using_noreserve = True
    system.redirect_paths = [objects.RedirectPath(app_path="/", host_paths=[job["root"]])]
    system.cpu = cpu
    width = parameters["bus_width_bytes"]
    system.membus = objects.SystemXBar(width=width)
    system.membus.badaddr_responder = objects.BadAddr()
    system.membus.default = system.membus.badaddr_responder.pio
    system.system_port = system.membus.cpu_side_ports
    walkers = table_walkers(cpu)
    if timing:
        caches = parameters["caches"]
        cpu.icache, cpu.dcache, cpu.mmucache = (cache(caches[name]) for name in ("l1i", "l1d", "walker"))
        cpu.dcache.write_allocator = objects.WriteAllocator(**parameters["write_allocator"])
        cpu.icache.cpu_side = cpu.icache_port
        cpu.dcache.cpu_side = cpu.dcache_port
        cpu.mmubus = objects.L2XBar()
        cpu.mmucache.cpu_side = cpu.mmubus.mem_side_ports
        for walker in walkers:
            cpu.mmubus.cpu_side_ports = walker.port
        system.l2bus = objects.L2XBar(width=width)
        for first in (cpu.icache, cpu.dcache, cpu.mmucache):
            first.mem_side = system.l2bus.cpu_side_ports
        system.l2cache = cache(caches["l2"])
        system.l2cache.cpu_side = system.l2bus.mem_side_ports
        system.l3bus = objects.L2XBar(
            width=width, snoop_filter=objects.SnoopFilter(max_capacity=parameters["snoop_filter"])
        )
        system.l2cache.mem_side = system.l3bus.cpu_side_ports
        system.l3cache = cache(caches["l3"])
        system.l3cache.cpu_side = system.l3bus.mem_side_ports
        system.l3cache.mem_side = system.membus.cpu_side_ports
    else:
        cpu.icache_port = system.membus.cpu_side_ports
        cpu.dcache_port = system.membus.cpu_side_ports
        for walker in walkers:
            walker.port = system.membus.cpu_side_ports
    cpu.createInterruptController()
    if job["isa"] == "X86":
        cpu.interrupts[0].pio = system.membus.mem_side_ports
        cpu.interrupts[0].int_requestor = system.membus.cpu_side_ports
        cpu.interrupts[0].int_responder = system.membus.mem_side_ports
    dram = getattr(objects, parameters["memory"]["dram"])
    system.memories_low = objects.MemCtrl(dram=dram(range=system.mem_ranges[0]), port=system.membus.mem_side_ports)
    system.memories_high = objects.MemCtrl(dram=dram(range=system.mem_ranges[2]), port=system.membus.mem_side_ports)
    if hasattr(objects, "SEWorkload"):
        system.workload = objects.SEWorkload.init_compatible(executable)
    cpu.workload = objects.Process(
        executable=executable,
        cmd=job["argv"],
        env=["%s=%s" % pair for pair in sorted(job["environment"].items())],
        cwd="/",
        input="cin",
        output="simulated.out",
        errout="simulated.err",
        maxStackSize="%dB" % parameters["memory"]["stack_bytes"],
    )
    cpu.createThreads()
    root = objects.Root(full_system=False, system=system)
    m5.instantiate()
    return root


def table_walkers(cpu):
    """What walks the page tables (of X86 only: in this kind of simulation the others are not walked)."""
    if not hasattr(cpu, "mmu"):  # before v21.1
        return [cpu.itb.walker, cpu.dtb.walker]
    if hasattr(cpu.mmu, "itb_walker"):  # Arm
        return [cpu.mmu.itb_walker, cpu.mmu.dtb_walker]
    return [cpu.mmu.itb.walker, cpu.mmu.dtb.walker]


def instructions_until_exit(job, executable):
    """How many instructions a copy of the program executes before it ends, counted in a separate process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            timing = job["isa"] == "Arm"
            cpu = processor(job) if timing else class_for(job, "AtomicSimpleCPU", "AtomicSimpleCPU")()
            machine(job, executable, cpu, timing)
            event = m5.simulate(job["tick_limit"])
            answer = {"cause": event.getCause(), "code": event.getCode(), "instructions": cpu.totalInsts()}
            os.write(writer, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer.decode()) if answer else {"cause": "no answer", "code": None, "instructions": 0}


def simulate(cpu, job):
    """Continues until the program ends, a stop or a limit; where it is stopped does not affect the simulation."""
    limit_ticks, host_seconds = job["tick_limit"], job.get("host_second_limit")
    if host_seconds is None:
        event = m5.simulate(max(1, limit_ticks - m5.curTick()))
    else:
        end = time.time() + host_seconds
        while True:
            event = m5.simulate(max(1, min(HOST_LIMIT_STEP, limit_ticks - m5.curTick())))
            if event.getCause() != LIMIT or m5.curTick() >= limit_ticks or time.time() >= end:
                break
    return {
        "cause": event.getCause(),
        "code": event.getCode(),
        "ticks": m5.curTick(),
        "instructions": cpu.totalInsts(),
    }


def descriptors_of(name):
    """This process's descriptors of the file `name` in gem5's output folder."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.path.basename(os.readlink("/proc/self/fd/" + entry)) == name:
                found.append(int(entry))
        except OSError:
            pass
    return found


def receive(channel):
    """The next message and its descriptors; (None, []) if the harness has gone."""
    descriptors = array.array("i")
    data, ancillary, _, _ = channel.recvmsg(4096, socket.CMSG_SPACE(8 * descriptors.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return (json.loads(data.decode()) if data else None), list(descriptors)


def send(channel, message):
    channel.sendall(json.dumps(message).encode() + b"\n")


def continue_with(descriptors, cpu, channel, job, stop):
    """In a forked child: runs the rest of the program on one input; reports a line of JSON and gem5's statistics."""
    channel.close()
    stdin, stdout, stderr, report = descriptors
    os.dup2(stdin, 0)
    for name, descriptor in (("simulated.out", stdout), ("simulated.err", stderr)):
        for found in descriptors_of(name):
            os.dup2(descriptor, found)
    os.dup2(stderr, 2)
    statistics = descriptors_of("stats.txt")
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    if stop is not None:
        cpu.scheduleInstStop(0, max(1, stop - cpu.totalInsts()), STOP_AT_MAIN)
    started = time.time()
    ended = simulate(cpu, job)
    ended["host_seconds"] = round(time.time() - started, 3)
    os.write(report, json.dumps(ended).encode() + b"\n")
    for found in statistics:
        os.dup2(report, found)
    m5.stats.dump()
    sys.stdout.flush()
    sys.stderr.flush()


def serve(job, cpu, channel, main_instructions):
    """Forks a child for each input that the harness sends; any number may run at once."""
    running = {}
    while True:
        readable = select.select([channel], [], [], 0.01 if running else None)[0]
        if readable:
            message, descriptors = receive(channel)
            if message is None:
                return
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    continue_with(descriptors, cpu, channel, job, main_instructions if message.get("main") else None)
                    status = 0
                finally:
                    os._exit(status)
            for descriptor in descriptors:
                os.close(descriptor)
            running[child] = message["run"]
        while running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                break
            send(channel, {"done": running.pop(child), "status": status})


def run(path, channel):
    with open(path) as file:
        job = json.load(file)
    if channel.isdigit():
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, int(channel))
    else:
        name, channel = channel, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.connect(name)
    counted = {None: None}
    for copy in (job.get("stopped_at_fork"), job.get("stopped_at_main")):
        if copy not in counted:
            counted[copy] = instructions_until_exit(job, copy)
    before_fork, before_main = counted[job.get("stopped_at_fork")], counted[job.get("stopped_at_main")]
    cpu = processor(job)
    machine(job, job["program"], cpu, True)
    ended = {"cause": STOP_AT_FORK, "ticks": 0, "instructions": 0}
    if before_fork is not None and before_fork["instructions"] > MARGIN:
        cpu.scheduleInstStop(0, before_fork["instructions"] - MARGIN, STOP_AT_FORK)
        ended = simulate(cpu, job)
    send(
        channel,
        {"ready": {"version": gem5Version, "before_fork": before_fork, "before_main": before_main, "fork": ended}},
    )
    stop = before_main["instructions"] - 3 if before_main is not None else None
    serve(job, cpu, channel, stop)


run(sys.argv[1], sys.argv[2])
