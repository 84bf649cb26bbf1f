"""What a simulator says of itself, asked in the interpreter that it runs in."""

from __future__ import annotations

import argparse
import json
import os
import time
import traceback
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.component import OptionError, construct, options_of
from rlvla.core.types import Start

if TYPE_CHECKING:
    from rlvla.core.interfaces import Simulator


def answer(described: dict[str, Any], *, shows: bool) -> dict[str, Any]:
    """Return `tasks` and `spec` of a simulator, or its `error`: kind and message.

    If it `shows` something, too, return under `seconds` when it did.
    """
    try:
        simulator = cast("Simulator", construct(described))
        told = {"spec": options_of(simulator.spec), "tasks": [*simulator.tasks]}
        return told | ({"seconds": _show(simulator)} if shows else {})
    except (OptionError, ValueError, ArithmeticError) as error:
        return {"error": ["option", str(error)]}
    except ImportError as error:
        traceback.print_exc()
        return {"error": ["import", str(error)]}
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is the parent's to judge
        traceback.print_exc()
        return {"error": ["plugin", f"{type(error).__name__}: {error}"]}


def _show(simulator: Simulator) -> float:
    """Return after how many seconds the first observation was there."""
    began = time.monotonic()
    simulator.start(1)
    simulator.reset(0, Start(simulator.tasks[0], "eval", 0))
    seconds = time.monotonic() - began
    simulator.close()
    return seconds


def main() -> None:
    """Answer into a descriptor: what a simulator prints at import must not get into the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("simulator", type=json.loads)
    parser.add_argument("answer", type=int)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    with os.fdopen(arguments.answer, "w", encoding="utf-8") as file:
        json.dump(answer(arguments.simulator, shows=arguments.show), file)


if __name__ == "__main__":
    main()
