"""An event loop whose time is virtual and whose order is a seed's: the same seed, the same run, to the last step.

Everything that happens belongs to a process. Inside of one, callbacks run in the order in which asyncio promises them; which
process goes next is drawn. When nobody can go on, time jumps to the next timer. A killed process never runs another instruction,
not even a `finally`; a paused one runs none until it is let go, as after SIGKILL and SIGSTOP.
"""

import asyncio
import contextvars
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

BURST_MAX: Final = 6
"""So many callbacks of one process may run before somebody else gets a turn."""


class Stuck(Exception):
    """Everything waits, and nothing will ever happen."""


@dataclass(eq=False, slots=True)
class Actor:
    """What a callback belongs to: one of our processes, or somebody outside."""

    name: str
    alive: bool = True
    paused_until: float = 0.0
    ready: deque[asyncio.Handle] = field(default_factory=deque)
    context: Context = field(init=False)

    def __post_init__(self) -> None:
        self.context = contextvars.Context()
        self.context.run(ACTOR.set, self)


ACTOR: contextvars.ContextVar[Actor] = contextvars.ContextVar("actor")


def current_actor() -> Actor:
    """Whose instruction this is."""
    return ACTOR.get()


class Task(asyncio.Task[Any]):
    """A task that stands in sets by its number, because addresses differ from run to run."""

    def __init__(self, work: Coroutine[Any, Any, Any], *, loop: "VirtualLoop", context: Context | None = None) -> None:
        self.number = next(loop.numbers)
        self.owner = (contextvars.copy_context() if context is None else context).get(ACTOR)
        super().__init__(work, loop=loop, context=context)

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.BaseEventLoop):
    """See above. `world` is the actor of whatever has no other."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.now = 0.0
        self.steps = 0
        self.numbers = count()
        self.world = Actor("world")
        self.actors: list[Actor] = [self.world]
        self.set_task_factory(_task)

    def actor(self, name: str) -> Actor:
        """A new one."""
        made = Actor(name)
        self.actors.append(made)
        return made

    def start(self, actor: Actor, work: Coroutine[Any, Any, Any], name: str = "") -> asyncio.Task[Any]:
        """Begin something in an actor's name."""
        return self.create_task(work, name=name or actor.name, context=actor.context.copy())

    def kill(self, actor: Actor) -> None:
        """End an actor between two instructions."""
        actor.alive = False
        self.actors.remove(actor)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self.now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]  # typeshed binds the arguments' types
        """As asyncio's, into the queue of whose instruction it will be."""
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there is one thread

    def _enqueue(self, handle: asyncio.Handle) -> None:
        owner = handle._context.get(ACTOR, self.world)  # type: ignore[attr-defined]  # asyncio's own
        owner.ready.append(handle)  # of a dead one too: what it left is put in order when the run is over

    def _run_once(self) -> None:
        """One burst of one actor, or a jump in time."""
        self._ripen()
        now = self.now
        able = [actor for actor in self.actors if actor.ready and actor.paused_until <= now]
        if not able:
            self._jump()
            return
        chosen = able[0] if len(able) == 1 else able[int(self.rng.random() * len(able))]
        for _ in range(min(len(chosen.ready), 1 + int(self.rng.random() * BURST_MAX))):
            if not chosen.ready or chosen.paused_until > now:
                break
            handle = chosen.ready.popleft()
            self.steps += 1
            if not handle._cancelled:
                handle._run()

    def _ripen(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]  # asyncio's own
        while scheduled and scheduled[0]._when <= self.now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                self._enqueue(handle)

    def _jump(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]  # asyncio's own
        while scheduled and (scheduled[0]._cancelled or not scheduled[0]._context.get(ACTOR, self.world).alive):
            heapq.heappop(scheduled)._scheduled = False
        instants = [actor.paused_until for actor in self.actors if actor.ready]
        if scheduled:
            instants.append(scheduled[0]._when)
        if not instants:
            if self._stopping:  # type: ignore[attr-defined]  # asyncio's own
                return
            raise Stuck("everything waits and no timer is set")
        self.now = max(self.now, min(instants))

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is nobody to wake."""

    def _timer_handle_cancelled(self, handle: object) -> None:
        """Cancelled timers are dropped when their time comes."""


def _task(loop: Any, work: Any, context: Context | None = None) -> Task:
    return Task(work, loop=loop, context=context)


async def cancel_all(loop: VirtualLoop, own: asyncio.Task[Any] | None) -> None:
    """End every task that is left, those of killed actors too, whose network is gone."""
    tasks = sorted((task for task in asyncio.all_tasks(loop) if task is not own), key=hash)
    for task in tasks:
        if isinstance(task, Task) and task.owner is not None:
            _bury(loop, task.owner)
        task.cancel()
    for _ in range(4):
        pending = [task for task in tasks if not task.done()]
        if not pending:
            return
        await asyncio.wait(pending, timeout=60)
        for task in pending:
            task.cancel()


def _bury(loop: VirtualLoop, actor: Actor) -> None:
    if not actor.alive:
        actor.alive = True
        loop.actors.append(actor)
    actor.paused_until = 0.0
