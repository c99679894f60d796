"""The processes of the programme on this machine, beside the embedded cloud: API with relay, worker, stand-in for WhatsApp."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tazco.local.children import Child, free_port
from tazco.local.embedded import REGION
from tazco.local.workspace import Workspace
from tazco.platform.provision import Provisioned

HOST: Final = "127.0.0.1"
STAND_IN_PORTS_ABOVE: Final = 10
"""The stand-in is at 3010 where the API is at 3000: two programmes that start at once on ports of their own do not race for one port."""

PORT_MAX: Final = 65_535
STAND_IN_URL_VARIABLE: Final = "TAZCO_STAND_IN_URL"
THROW_AWAY: Final = {
    "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID": "100000000000001",
    "TAZCO_WHATSAPP_META_ACCESS_TOKEN": "local-only",
    "TAZCO_WHATSAPP_META_APP_SECRETS": "local-only",
    "TAZCO_WHATSAPP_META_VERIFY_TOKEN": "local-only",
}
"""The stand-in and the API share them; nothing leaves this machine."""

APPROVER: Final = "Desk 1"
APPROVER_PHONE: Final = "5511900000000"
POLICY: Final = {"whatsapp/approvers": json.dumps([{"name": APPROVER, "phone": APPROVER_PHONE}])}
"""What the policy starts with here instead of its defaults: somebody to ask."""


@dataclass(slots=True)
class Programme:
    """Starts the processes in order and stops them in reverse. `step` tells of each step of the start and may give it up.

    `say` tells of the end, `notes` are for what is not as asked for.
    """

    workspace: Workspace
    api_port: int
    step: Callable[[str], None]
    say: Callable[[str], None]
    notes: list[str]
    children: list[Child] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, cloud: Mapping[str, str], cloud_url: str, ids: Provisioned) -> AsyncIterator[str]:
        """All of them, for as long as the block runs; the URL of the API."""
        port = free_port(HOST, self.api_port)
        if port != self.api_port:
            self.notes.append(f"port {self.api_port} is taken, the API uses {port}")
        beside = min(port + STAND_IN_PORTS_ABOVE, PORT_MAX)
        api_url, stand_in_url = f"http://{HOST}:{port}", f"http://{HOST}:{free_port(HOST, beside)}"
        variables = {**cloud, **self._variables(cloud_url, ids, port, stand_in_url)}
        stand_in_port = stand_in_url.rpartition(":")[2]
        options = ("--with-parent", "--port", stand_in_port, "--api-url", api_url)
        stand_in = Child("stand-in for WhatsApp", ("stand-in", *options), variables, self.workspace.stand_in_log)
        api = Child("API", ("serve", "--with-parent"), variables, self.workspace.api_log)
        worker = Child("worker", ("worker", "--with-parent"), variables, self.workspace.worker_log)
        async with AsyncExitStack() as stack:
            stack.callback(self.workspace.tokens.unlink, missing_ok=True)
            stack.callback(self.workspace.variables.unlink, missing_ok=True)
            self.workspace.write_variables(self.workspace.variables, variables)
            for child in (stand_in, api, worker):
                self.step(f"starting the {child.name}")
                self.children.append(child)
                stack.push_async_callback(self._stop, child)
                await child.start()
            await asyncio.gather(api.until_ready(api_url), stand_in.until_ready(stand_in_url, "/stand-in/health"))
            yield api_url

    async def _stop(self, child: Child) -> None:
        self.say(f"stopping the {child.name}")
        await child.stop()

    def kill(self) -> bool:
        """End at once what still runs; False if nothing does."""
        living = [child for child in self.children if not child.ended]
        for child in living:
            child.kill()
        return bool(living)

    async def first_to_end(self) -> Child:
        """Wait until one of them ends by itself."""
        waits = {asyncio.create_task(child.wait()): child for child in self.children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()]
        finally:
            for wait in waits:
                wait.cancel()

    def _variables(self, cloud_url: str, ids: Provisioned, port: int, stand_in_url: str) -> dict[str, str]:
        return {
            **THROW_AWAY,
            "TAZCO_WHATSAPP_META_BASE_URL": stand_in_url,
            STAND_IN_URL_VARIABLE: stand_in_url,
            "TAZCO_ENV": "development",
            "TAZCO_HOST": HOST,
            "TAZCO_PORT": str(port),
            **pool_variables(ids, cloud_url),
            "TAZCO_COGNITO_ISSUER": f"https://cognito-idp.{REGION}.amazonaws.com/{ids.user_pool_id}",
            "TAZCO_CURSOR_SECRETS": self.workspace.cursor_secret(),
            "TAZCO_POLICY_REFRESH_SECONDS": "5",
            "TAZCO_TRACE_EVENTS": "true",
        }


def pool_variables(ids: Provisioned, cognito_url: str | None) -> dict[str, str]:
    """What the processes must be told of the pool; an emulator, at `cognito_url`, publishes the keys at an address of its own."""
    variables = {"TAZCO_COGNITO_USER_POOL_ID": ids.user_pool_id, "TAZCO_COGNITO_CLIENT_IDS": ids.client_id}
    if cognito_url:
        variables["TAZCO_COGNITO_JWKS_URL"] = f"{cognito_url.rstrip('/')}/{ids.user_pool_id}/.well-known/jwks.json"
    return variables
