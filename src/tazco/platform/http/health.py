"""GET /health/liveness and /health/readiness."""

from typing import Any, Literal, NotRequired

from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.kernel.clock import to_text
from tazco.platform.http.call import Call
from tazco.platform.http.fields import OutTime
from tazco.platform.http.routing import Doc, Routes
from tazco.platform.http.schema import ErrorEnvelope

routes = Routes()

State = Literal["healthy", "unhealthy"]


class LivenessReply(TypedDict):
    """The process answers."""

    status: Literal["ok"]
    timestamp: OutTime


class DependenciesView(TypedDict):
    """What the program cannot do without."""

    database: State
    message_stream: State
    auth_provider: State


class ReadinessReply(TypedDict):
    """Whether the process can serve; warnings do not change the status."""

    status: State
    dependencies: DependenciesView
    warnings: NotRequired[list[str]]


@routes.get("/health/liveness", Doc(summary="Is the process alive", tag="Health", replies={200: LivenessReply}, open=True))
async def get_liveness(call: Call) -> Response:
    """Touches nothing."""
    return call.reply({"status": "ok", "timestamp": to_text(call.services.clock())})


READINESS = Doc(
    summary="Can the process serve", tag="Health", replies={200: ReadinessReply, 503: ReadinessReply | ErrorEnvelope}, open=True
)


@routes.get("/health/readiness", READINESS)
async def get_readiness(call: Call) -> Response:
    """Real checks, in parallel, at most five seconds old."""
    readiness = await call.services.health.readiness()
    view: dict[str, Any] = {
        "status": _state(healthy=readiness.healthy),
        "dependencies": {name: _state(healthy=healthy) for name, healthy in readiness.dependencies.items()},
    }
    if readiness.warnings:
        view["warnings"] = list(readiness.warnings)
    return call.reply(view, 200 if readiness.healthy else 503)


def _state(*, healthy: bool) -> State:
    return "healthy" if healthy else "unhealthy"
