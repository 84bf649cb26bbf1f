from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.errors import ManifestError
from rlvla.core.planning.change import changed, snippet
from rlvla.core.planning.search import Search
from rlvla.core.run import job_of
from rlvla.core.runtime.virtual.told import told_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.registry import Components
    from rlvla.core.settings import Manifest


def _search(manifest: Manifest, components: Components) -> Search:
    latencies = told_by(job_of(manifest, manifest.phases[-1]))
    return Search(
        manifest=manifest,
        latencies=latencies,
        components=components,
        environment={},
        updates=4,
    )


def test_a_synchronous_manifest_is_improved(
    manifest: Callable[..., Manifest], components: Components
) -> None:
    """Rollout and training can overlap: then the trainer, at 50 ms a decision, never waits."""
    slow = manifest("async.max_staleness=0", "placement={}", "model.trainer={per_sample_ms: 50}")
    search = _search(slow, components)
    search.run()
    assert search.changes["async.max_staleness"] == 1
    assert search.before.result.decisions_per_s < 17
    np.testing.assert_allclose(search.best.result.decisions_per_s, 20, rtol=1e-3)
    again = changed(slow, search.changes, components, {})
    assert again.asynchrony.max_staleness == 1
    assert "max_staleness: 1" in snippet(search.changes)


def test_what_cannot_be_improved_stays(
    manifest: Callable[..., Manifest], components: Components
) -> None:
    """The trainer never waits; whatever else is changed, nothing is gained."""
    bound = manifest("placement={}", "model.trainer={per_sample_ms: 200}")
    search = _search(bound, components)
    search.run()
    assert search.changes == {}
    assert search.best is search.before
    assert search.tried > 10


def test_changes_that_do_not_fit_are_refused(
    manifest: Callable[..., Manifest], components: Components
) -> None:
    with pytest.raises(ManifestError, match="shards"):
        changed(manifest(), {"schedulers.sharding.shards": 99}, components, {})


def test_changes_do_not_touch_the_manifest(
    manifest: Callable[..., Manifest], components: Components
) -> None:
    before = manifest()
    after = changed(before, {"async.max_staleness": 3}, components, {})
    assert (before.plain["async"]["max_staleness"], after.asynchrony.max_staleness) == (1, 3)


def test_a_snippet_nests_its_keys() -> None:
    changes = {"async.max_staleness": 2, "schedulers.batching": {"type": "greedy"}}
    assert snippet(changes) == (
        "async:\n  max_staleness: 2\nschedulers:\n  batching:\n    type: greedy\n"
    )
