"""SimObjects that remember what machine.py needs back, and swallow the rest."""

machine = {"stops": []}


class _Object:
    def __init__(self, *_, **parameters):
        self.__dict__.update(parameters)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Object()
        self.__dict__[name] = made
        return made

    def __getitem__(self, index):
        return _Object()

    def __iter__(self):
        return iter([_Object(), _Object()])

    def __call__(self, *args, **kwargs):
        return _Object()


class X86O3CPU(_Object):
    def totalInsts(self):
        return machine["instructions"]

    def scheduleInstStop(self, thread, instructions, cause):
        machine["stops"].append((machine["instructions"] + instructions, cause))


class X86AtomicSimpleCPU(X86O3CPU):
    pass


class SEWorkload(_Object):
    @staticmethod
    def init_compatible(executable):
        return _Object()


class Process(_Object):
    def __init__(self, **parameters):
        super().__init__(**parameters)
        machine["process"] = self


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Object
