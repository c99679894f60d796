"""POST /v1/users; the operators' list of people, disabling and enabling."""

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.kernel.errors import Code
from tazco.kernel.ids import EcosystemId
from tazco.platform.http.call import Call, success
from tazco.platform.http.fields import Body, ReasonBody, storable
from tazco.platform.http.routing import ADMIN_KEY_CHARACTERS_MAX, Doc, Routes
from tazco.platform.http.schema import PaginationView
from tazco.platform.idempotency import Answer
from tazco.users.commands import Register, SetUserStatus, register, set_user_status
from tazco.users.model import Role, User, UserStatus
from tazco.users.store import page_of_people
from tazco.users.views import UserView, user_view

EMAIL_CHARACTERS_MAX = 254
EXAMPLE_REASON = {"reason": "Chargeback fraud"}

routes = Routes()


def _email(value: str) -> str:
    value = storable(value.strip())
    if value and ("@" not in value or len(value) > EMAIL_CHARACTERS_MAX):
        raise ValueError(f"must contain @ and have at most {EMAIL_CHARACTERS_MAX} characters")
    return value


class RegisterBody(Body):
    """The e-mail, where the token does not carry it."""

    email: (
        Annotated[str, AfterValidator(_email), WithJsonSchema({"type": "string", "pattern": "^$|@", "maxLength": 254})] | None
    ) = None


class RegisteredReply(TypedDict):
    """The person, and whether this call created the record."""

    created: bool
    user: UserView


class UserReply(TypedDict):
    """A person."""

    user: UserView


class UserList(TypedDict):
    """People, in a stable order."""

    users: list[UserView]
    pagination: PaginationView


REGISTER = Doc(
    summary="Register or sign in",
    tag="Cardholder: account",
    replies={201: RegisteredReply, 200: RegisteredReply},
    refusals=(Code.FORBIDDEN,),
    body=RegisterBody,
    body_required=False,
    example={"email": "ada@example.com"},
)


@routes.post("/v1/users", REGISTER)
async def register_user(call: Call) -> Response:
    """The only way a person's record appears; safe to call at every sign-in."""
    caller = await call.caller()
    body = await call.body(RegisterBody, optional=True)
    command = Register(
        subject=caller.subject,
        claimed_ecosystem_id=caller.claimed_ecosystem_id,
        token_email=caller.email,
        body_email=body.email or None,
        role=Role.ADMIN if caller.is_admin else Role.USER,
    )
    registered = await call.services.commands.run(call.origin(caller), partial(register, command), lane=f"subject#{caller.subject}")
    call.services.gate.directory.forget(caller.subject)
    view = {"created": registered.created, "user": user_view(registered.user)}
    return call.reply(view, 201 if registered.created else 200)


LIST = Doc(
    summary="All people",
    tag="Operators: people",
    replies={200: UserList},
    refusals=(Code.VALIDATION_ERROR,),
    query={"cursor": "where to go on", "limit": "1 to 100, default 20"},
    operator=True,
)


@routes.get("/v1/admin/users", LIST)
async def list_users(call: Call) -> Response:
    """People page by page, in the database's own stable order."""
    caller = await call.operator()
    binding = ("users", caller.actor_id)
    after = call.cursor(binding)
    page, position = await page_of_people(call.services.database, after, call.page_size)
    return call.reply({"users": [user_view(user) for user in page], "pagination": call.pagination(binding, position)})


def _status_doc(summary: str) -> Doc:
    return Doc(
        summary=summary,
        tag="Operators: people",
        replies={200: UserReply},
        refusals=(Code.NOT_FOUND,),
        body=ReasonBody,
        example=EXAMPLE_REASON,
        key_characters_max=ADMIN_KEY_CHARACTERS_MAX,
        operator=True,
    )


@routes.post("/v1/admin/users/{ecosystemId}/disable", _status_doc("Disable a person"))
async def disable_user(call: Call) -> Response:
    """Every call of a disabled person is refused; reads may go on for ten seconds."""
    return await _set_status(call, UserStatus.DISABLED, "disable-user")


@routes.post("/v1/admin/users/{ecosystemId}/enable", _status_doc("Enable a person"))
async def enable_user(call: Call) -> Response:
    """The person may act again."""
    return await _set_status(call, UserStatus.ACTIVE, "enable-user")


async def _set_status(call: Call, status: UserStatus, operation: str) -> Response:
    caller = await call.operator()
    key = call.key()
    body = await call.body(ReasonBody)
    ecosystem_id = EcosystemId(call.path_id("ecosystemId"))
    command = SetUserStatus(ecosystem_id=ecosystem_id, status=status, reason=body.reason)
    return await call.once(
        caller,
        key,
        operation=f"{operation}/{ecosystem_id}",
        asked=body.model_dump(),
        lane=f"user#{ecosystem_id}",
        use_case=partial(set_user_status, command),
        render=_rendered,
    )


def _rendered(user: User) -> Answer:
    return success({"user": user_view(user)})
