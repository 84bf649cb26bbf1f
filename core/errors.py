"""What can go wrong, by what a user can do about it. `exit_code` is that of the command line."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

LossReason: TypeAlias = Literal["crash", "hang", "env_error", "nan", "contract"]


class RlvlaError(Exception):
    """An error that is told to the user in one line."""

    exit_code: ClassVar[int] = 5


class ManifestError(RlvlaError):
    """The manifest or the command line is wrong: correct what the message points at."""

    exit_code = 2


class PluginError(RlvlaError):
    """A plugin failed or broke its contract: repair or replace the plugin."""

    exit_code = 3


class PreflightError(RlvlaError):
    """The machine lacks something, or another run holds the folder: free it and try again."""

    exit_code = 4


class TrainingError(RlvlaError):
    """The run cannot go on: resume from its last checkpoint after removing the cause."""

    exit_code = 5


class NoValidCheckpointError(RlvlaError):
    """Checkpoints are there, but none is whole: restore one from a copy."""

    exit_code = 6


class LaneLostError(Exception):
    """The episode of a lane is lost; the lane can be reset."""

    def __init__(self, lane: int, reason: LossReason, detail: str) -> None:
        super().__init__(f"lane {lane}: {detail}")
        self.lane = lane
        self.reason: LossReason = reason
        self.detail = detail


class ClosedError(Exception):
    """What was waited for will not come: the stage that would bring it has ended."""
