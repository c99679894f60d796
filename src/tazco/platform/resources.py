"""Resources of the account as provisioning sees them: looked at, created, brought in line, and what there is to say about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from botocore.exceptions import ClientError

UNSUPPORTED: Final = frozenset({"UnknownOperationException", "UnsupportedOperationException", "InvalidAction", "NotImplemented"})
"""How endpoints say that they do not know an operation."""


class State(StrEnum):
    """How a resource stands to its declaration."""

    PRESENT = "present"
    MISSING = "missing"
    DIFFERS = "differs"


class Done(StrEnum):
    """What has been done about it."""

    NOTHING = ""
    CREATED = "created"
    REPAIRED = "repaired"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One resource. `detail` says what differs; `by_choice` means that an operator may have wanted it so, and that this counts."""

    kind: str
    name: str
    state: State
    detail: str = ""
    done: Done = Done.NOTHING
    by_choice: bool = False

    @property
    def settled(self) -> bool:
        """Nothing is left to do."""
        return self.state is State.PRESENT or self.by_choice or self.done in (Done.CREATED, Done.REPAIRED)


@dataclass(frozen=True, slots=True)
class Difference:
    """One respect in which a resource is not as declared. `mend` is None where mending could lose something."""

    detail: str
    mend: Callable[[], object] | None = None
    by_choice: bool = False


class Resource(Protocol):
    """One resource and its declaration."""

    @property
    def kind(self) -> str:
        """What it is, in a word or two."""
        ...

    @property
    def name(self) -> str:
        """Its name in the account."""
        ...

    def look(self) -> Sequence[Difference] | None:
        """In what it differs, nothing if it does not; None if it is not there."""
        ...

    def create(self) -> None:
        """Make it and wait until it can be used; what `look` reports afterwards is mended next."""
        ...


def inspect(resource: Resource) -> Finding:
    """Look, and change nothing."""
    found = resource.look()
    if found is None:
        return Finding(kind=resource.kind, name=resource.name, state=State.MISSING)
    return Finding(
        kind=resource.kind,
        name=resource.name,
        state=State.DIFFERS if found else State.PRESENT,
        detail=_told(found),
        by_choice=bool(found) and all(difference.by_choice for difference in found),
    )


def settle(resource: Resource) -> Finding:
    """Create what is missing, mend what can be mended without loss, keep the rest and say so."""
    found = resource.look()
    state = State.MISSING if found is None else State.DIFFERS if found else State.PRESENT
    if found is None:
        resource.create()
        found = resource.look()
        assert found is not None, f"{resource.kind} {resource.name} is not there after its creation"
    kept = [left for left in map(_mend, found) if left is not None]
    return Finding(
        kind=resource.kind,
        name=resource.name,
        state=state,
        detail=_told(kept or (found if state is State.DIFFERS else ())),
        done=_done(state, kept),
        by_choice=bool(kept) and all(difference.by_choice for difference in kept),
    )


def _mend(difference: Difference) -> Difference | None:
    """What is left of a difference after mending it."""
    if difference.mend is None:
        return difference
    try:
        difference.mend()
    except ClientError as error:
        return unsupported(error, difference.detail)
    return None


def _done(state: State, kept: Sequence[Difference]) -> Done:
    if state is State.MISSING:
        return Done.CREATED
    if state is State.PRESENT:
        return Done.NOTHING
    return Done.KEPT if kept else Done.REPAIRED


def _told(differences: Sequence[Difference]) -> str:
    return "; ".join(difference.detail for difference in differences)


def unsupported(error: ClientError, detail: str) -> Difference:
    """A difference that the choice of this endpoint implies; raise `error` if it says anything else than "no such operation"."""
    if error_code(error) not in UNSUPPORTED:
        raise error
    return Difference(f"{detail} (this endpoint does not support it)", by_choice=True)


def error_code(error: ClientError) -> str:
    """The short name of what the service refused; query-style prefixes are dropped."""
    return str(error.response.get("Error", {}).get("Code", "")).removeprefix("AWS.SimpleQueueService.")
