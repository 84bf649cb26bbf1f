"""A simulator and a batching scheduler for rlvla."""

from rlvla import Components, hookimpl


@hookimpl
def register(components: Components) -> None:
    """Register both by name; their modules are imported when a manifest asks for them."""
    components.simulators.add("line", "rlvla_example.line:Line")
    components.batching.add("patient", "rlvla_example.patient:Patient")
