"""The plugins that come with rlvla."""

BUILTIN = tuple(
    f"rlvla.plugins.{kind}"
    for kind in (
        *("simulators", "models", "algorithms", "proximals", "corrections", "recordings"),
        *("schedulers", "loggers", "runtimes", "bench", "serving", "world_model"),
    )
)
