"""Runs one module of rlvla under another Python environment, of which only numpy is needed.

A script for interpreters that rlvla is not installed in: `python guest.py LENT MODULE ARGUMENT...`
is `python -m MODULE ARGUMENT...`, with the packages of LENT on loan from the caller's environment,
and no others: a JSON object of name to [file or null, folders]. Old Pythons can read it, too, so
that it can tell that they are too old.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import runpy
import sys

OLDEST = (3, 10)
UNFIT = 71
"""Exit code of an environment that cannot run simulators: EX_OSERR of sysexits.h."""


class Lender:
    """Finds the packages on loan before what the environment may have of the same names."""

    def __init__(self, lent: dict[str, tuple[str | None, list[str]]]) -> None:
        self._lent = lent

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a package on loan lies; see `importlib.abc.MetaPathFinder`."""
        del path, target
        if name not in self._lent:
            return None
        file, folders = self._lent[name]
        if file is None:
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = folders
            return spec
        return importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=folders or None
        )


def check() -> None:
    """End with one line on standard error if this environment cannot run simulators."""
    if sys.version_info < OLDEST:
        needed, mine = (".".join(map(str, one)) for one in (OLDEST, sys.version_info[:2]))
        complain(f"Python {mine} is too old, a simulator worker needs at least {needed}")
    if importlib.util.find_spec("numpy") is None:
        complain("it has no numpy, install the numpy that the simulator wants")


def complain(what: str) -> None:
    """End, and say why in one line."""
    print(what, file=sys.stderr)
    sys.exit(UNFIT)


def main() -> None:
    """Run the module that the command line names."""
    lent, module = sys.argv[1:3]
    check()
    sys.meta_path.insert(0, Lender(json.loads(lent)))
    sys.argv[:] = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
