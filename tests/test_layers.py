"""The layering that docs/architecture.md promises (setup.cfg, [importlinter]): nothing imports from a layer above it,
and no two files import each other."""

import contextlib
import io
import itertools


def test_a_part_imports_only_what_stands_below_it() -> None:
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = lint_imports(config_filename="setup.cfg", no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, said.getvalue()


def test_no_files_import_each_other_in_circles() -> None:
    import grimp

    graph = grimp.build_graph("pie_bench", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert cycles(imports) == []


def test_cycles_are_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


def cycles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan's strongly connected components of more than one)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    numbers = itertools.count()

    def visit(module: str) -> None:
        index[module] = low[module] = next(numbers)
        stack.append(module)
        for other in sorted(imports.get(module, ())):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return found
