"""Metrics for TensorBoard, written without torch or TensorFlow.

Records are encoded by the `tensorboard` package; its own `EventFileWriter` is not used because
it loads TensorFlow where that is installed and reports a full disk only when it is closed.
Look at them with `tensorboard --logdir RUN --host localhost`.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvla.plugins.loggers.appender import Appender

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "tensorboard"


@dataclass(kw_only=True)
class TensorBoard:
    """Write every number of a row as a scalar into `tensorboard/` in the run folder."""

    def __post_init__(self) -> None:
        self._events: EventFile | None = None
        self._resumed = False

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Open a new event file."""
        del manifest
        folder = Path(run_dir) / FOLDER
        folder.mkdir(exist_ok=True)
        self._resumed = any(folder.iterdir())
        self._events = EventFile(folder)

    def log(self, row: Mapping[str, float | int | str]) -> None:
        """Write one row, or none of it and raise OSError; text is left to other loggers."""
        if self._events is None:
            raise ValueError("the logger 'tensorboard' was not started")
        step = int(row["step"])
        if self._resumed:
            self._events.begin(step)
            self._resumed = False
        numbers = {name: value for name, value in row.items() if not isinstance(value, str)}
        del numbers["step"]
        self._events.scalars(step, numbers)

    def close(self) -> None:
        """Close the event file; nothing is left to flush."""
        if self._events is not None:
            self._events.close()


class EventFile:
    """A new event file of TensorBoard in `folder`."""

    def __init__(self, folder: Path) -> None:
        # These modules have no type information.
        record_writer: Any = import_module("tensorboard.summary.writer.record_writer")
        self._event: Any = import_module("tensorboard.compat.proto.event_pb2")
        self._summary: Any = import_module("tensorboard.compat.proto.summary_pb2")
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._records: Any = record_writer.RecordWriter(Appender(folder / name))
        self._write(file_version="brain.Event:2")

    def begin(self, step: int) -> None:
        """Make TensorBoard forget what earlier files hold of `step` and later ones."""
        log = self._event.SessionLog(status=self._event.SessionLog.START)
        self._write(step=step, session_log=log)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step."""
        parts = [
            self._summary.Summary.Value(tag=name, simple_value=value)
            for name, value in values.items()
        ]
        self._write(step=step, summary=self._summary.Summary(value=parts))

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, **content: object) -> None:
        event = self._event.Event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
