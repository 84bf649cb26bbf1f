"""Built-in runtimes."""

from rlvla.core import Components, hookimpl


@hookimpl
def register(components: Components) -> None:
    """Register the runtimes of one process, of one machine, and of a virtual clock."""
    components.runtimes.add("inline", "rlvla.core.runtime.inline:Inline")
    components.runtimes.add("local", "rlvla.core.runtime.local:Local")
    components.runtimes.add("virtual", "rlvla.core.runtime.virtual.runtime:Virtual")
