"""Built-in runtimes."""

from rlvla.core import Components, hookimpl


@hookimpl
def register(components: Components) -> None:
    """Register the runtimes of one process and of one machine."""
    components.runtimes.add("inline", "rlvla.core.runtime.inline:Inline")
    components.runtimes.add("local", "rlvla.core.runtime.local:Local")
