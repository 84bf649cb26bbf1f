"""What corrections have in common unless they say otherwise."""

from __future__ import annotations


class Bounding:
    """See `interfaces.Correction`: the ratio is clipped as ever, and any ratio fits."""

    needs = ("log_prob",)
    clips = True

    def check(self, *, level: str, decoupled: bool) -> None:
        """Fit everything."""
