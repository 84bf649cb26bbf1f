"""From the YAML of a run to its constructed and checked components, and back to YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import rlvla
from rlvla.core.checks import check
from rlvla.core.component import OptionError, options_of, out_of_range
from rlvla.core.document import Document, Mark, complain, dotted, dump, parse
from rlvla.core.elsewhere import elsewhere
from rlvla.core.grammar import DEFAULTS, grammar
from rlvla.core.inheritance import Composer, merge, override
from rlvla.core.interpolation import Interpolation, Secret
from rlvla.core.settings import Manifest, Phase
from rlvla.core.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.component import Place
    from rlvla.core.document import Plain
    from rlvla.core.errors import ManifestError
    from rlvla.core.registry import Components

Environment: TypeAlias = Mapping[str, str]
Loaded: TypeAlias = Mapping[str, "Exception | None"]
"""Name of each plugin, and what it raised when it was loaded."""

PATIENCE_S = 300
"""For the answer of an interpreter, where the runtime has no time-out for starts."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Origin:
    """One value of a resolved manifest and where it was set."""

    key: str
    value: object
    where: str
    """`file:line`, `-s key=value`, or `default`."""


def load(
    source: str | Path,
    components: Components,
    *,
    overrides: Sequence[str] = (),
    environment: Environment = NOTHING,
    plugins: Loaded = NOTHING,
) -> Manifest:
    """Read a manifest from a path or a packaged name; raise ManifestError if it is wrong.

    `overrides` are `key.path=value`; `environment` holds the variables that the manifest may
    refer to; `plugins` tells which plugins are loaded or failed. Nothing heavy is imported or
    started.
    """
    document = compose(source, overrides=overrides)
    return _resolve(document, components, environment, plugins)


def load_trained(
    source: str | Path,
    components: Components,
    *,
    overrides: Sequence[str] = (),
    environment: Environment = NOTHING,
    plugins: Loaded = NOTHING,
) -> Manifest:
    """Read, as `load` does, one that is not to be trained: what it learned from may be gone."""
    document = compose(source, overrides=overrides)
    return _resolve(document, components, environment, plugins, trains=False)


def compose(
    source: str | Path, *, overrides: Sequence[str] = (), packaged: Path | None = None
) -> Document:
    """Return a manifest merged with what it extends, the defaults and the overrides, unchecked.

    `packaged` is the folder of packaged manifests, by default that of rlvla.
    """
    folder = packaged or Path(rlvla.__file__).parent / "configs"
    written = Composer(folder).compose(Path(source))
    merged = merge(_defaults(named="name" in written.data), written)
    ordered = {key: merged.data[key] for key in [*written.data, *merged.data]}
    document = Document(ordered, merged.marks)
    for text in overrides:
        document = override(document, text)
    return document


def from_plain(
    plain: Mapping[str, Any],
    components: Components,
    *,
    environment: Environment = NOTHING,
    plugins: Loaded = NOTHING,
) -> Manifest:
    """Rebuild a manifest from the `plain` of one that was loaded."""
    document = Document(cast("Plain", _copy(plain)), {(): Mark("saved manifest")})
    return _resolve(document, components, environment, plugins)


def origins(
    source: str | Path,
    components: Components,
    *,
    overrides: Sequence[str] = (),
    environment: Environment = NOTHING,
    plugins: Loaded = NOTHING,
) -> list[Origin]:
    """Return every value of the manifest that `load` would return, and where it was set."""
    document = compose(source, overrides=overrides)
    manifest = _resolve(document, components, environment, plugins)
    return [
        Origin(dotted(place), value, _origin(document, place))
        for place, value in _leaves(manifest.plain, ())
    ]


def to_yaml(manifest: Manifest) -> str:
    """Return the resolved manifest as YAML; references to the environment stay references."""
    return dump(_copy(manifest.plain))


def save(manifest: Manifest, path: Path) -> None:
    """Write the resolved manifest, so that `load` reads the same manifest back."""
    path.write_text(to_yaml(manifest), encoding="utf-8")


def _defaults(*, named: bool) -> Document:
    document = parse(DEFAULTS, "default")
    if not named:  # then `name` is what is missing, not what a default refers to
        del document.data["output_dir"]
    return Document(document.data, dict.fromkeys(document.marks, Mark("default")))


def _resolve(
    document: Document,
    components: Components,
    environment: Environment,
    plugins: Loaded,
    *,
    trains: bool = True,
) -> Manifest:
    actual: Plain = {}
    try:
        shown = Interpolation(document.data, None).resolve()
        actual = Interpolation(document.data, environment).resolve()
        read = grammar(components, plugins)(actual)
        manifest = _inhabited(_manifest(read, shown, components), actual["simulator"])
        check(manifest, trains=trains)
    except OptionError as error:
        secrets = [value for _, value in _leaves(actual, ()) if isinstance(value, Secret)]
        raise _explain(document, error, secrets) from None
    return manifest


def _manifest(read: Mapping[str, Any], shown: Plain, components: Components) -> Manifest:
    plain = _named(_completed(shown, read), components)
    return Manifest(
        name=read["name"],
        seed=read["seed"],
        simulator=read["simulator"],
        model=read["model"],
        phases=_phases(read, plain),
        asynchrony=read["async"],
        batching=read["schedulers"]["batching"],
        sharding=read["schedulers"]["sharding"],
        padding=read["schedulers"]["padding"],
        placement=read["placement"],
        runtime=read["runtime"],
        evaluating=read["eval"],
        checkpointing=read["checkpoint"],
        deterministic=read["deterministic"],
        trace=read["trace"],
        loggers=tuple(read["log"]),
        output_dir=read["output_dir"],
        plain=plain,
    )


def _inhabited(manifest: Manifest, simulator: object) -> Manifest:
    """Return the manifest, its simulator asked in the interpreter that it names, if it does."""
    if not isinstance(simulator, dict) or "python" not in simulator:
        return manifest
    python = Path(str(cast("Plain", simulator)["python"]))
    within: float = getattr(manifest.runtime, "start_timeout_s", PATIENCE_S)
    try:
        found = elsewhere(manifest.simulator, python, within=within)
    except OptionError as error:
        raise out_of_range(error, options_of(manifest.simulator)).below("simulator") from None
    return replace(manifest, simulator=found)


def _phases(read: Mapping[str, Any], plain: Plain) -> tuple[Phase, ...]:
    for key in ("algorithm", "budget"):
        if "phases" in read and key in read:
            raise OptionError(f"excludes 'phases', did you mean 'phases.0.{key}'?", (key,))
        if "phases" not in read and key not in read:
            raise OptionError(f"missing value {key!r} (or 'phases', a list of such)")
    if "phases" not in read:
        return (Phase(plain["algorithm"]["type"], read["algorithm"], read["budget"]),)
    if not read["phases"]:
        raise OptionError("expected at least one phase", ("phases",))
    return tuple(
        Phase(shown["algorithm"]["type"], phase["algorithm"], phase["budget"])
        for shown, phase in zip(plain["phases"], read["phases"], strict=True)
    )


def _completed(shown: Any, read: object) -> Any:  # noqa: ANN401 - plain data
    """Return what was written, completed by the options that were not."""
    if isinstance(shown, dict):
        entries = cast("Plain", shown)
        options = cast("Plain", read) if isinstance(read, dict) else options_of(read)
        named = {key: _completed(item, options.get(key)) for key, item in entries.items()}
        return named | {key: item for key, item in options.items() if key not in entries}
    if isinstance(shown, str) and isinstance(read, dict) and "type" in read:
        return {**cast("Plain", read), "type": shown}
    if isinstance(shown, list) and isinstance(read, list | tuple):
        pairs = zip(cast("list[object]", shown), cast("Sequence[object]", read), strict=True)
        return [_completed(one, other) for one, other in pairs]
    return cast("Any", shown)


def _named(value: Any, components: Components) -> Any:  # noqa: ANN401 - plain data
    """Return the plain data with the names of those components that are options by default."""
    if isinstance(value, list):
        return [_named(item, components) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    entries = {key: _named(item, components) for key, item in cast("Plain", value).items()}
    spelled = entries.get("type")
    if isinstance(spelled, str) and ":" in spelled:
        entries["type"] = components.name_of(spelled) or spelled
    return entries


def _explain(document: Document, error: OptionError, secrets: Sequence[str]) -> ManifestError:
    place, message = error.place, error.message
    if error.rivals:
        place = _blamed(document, [place, *error.rivals])
    if error.wrong is not None:
        meant = suggest(error.wrong, error.known)
        expected = "" if ", expected" in message else f", expected {', '.join(error.known)}"
        message += f", did you mean {meant!r}?" if meant else expected
    for secret in secrets:
        message = message.replace(str.__str__(secret), "***") if secret else message
    return complain(document.mark(place), message, place)


def _blamed(document: Document, places: Sequence[Place]) -> Place:
    """Return the place of a contradiction that was set last: on the command line, or at all."""
    given = [place for place in places if _origin(document, place) != "default"]
    flagged = [place for place in given if document.marks[place].source.startswith("-s ")]
    return (flagged or given or places)[0]


def _origin(document: Document, place: Place) -> str:
    mark = document.marks.get(place)
    return mark.origin if mark else "default"


def _leaves(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    if isinstance(value, Mapping) and value:
        for key, item in cast("Mapping[str, object]", value).items():
            yield from _leaves(item, (*place, key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(cast("list[object]", value)):
            yield from _leaves(item, (*place, i))
    else:
        yield place, value


def _copy(value: object) -> object:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {key: _copy(item) for key, item in entries.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in cast("Sequence[object]", value)]
    return value
