"""The served OpenAPI against the served API: everything that is answered is documented, nothing is answered with 5xx."""

import asyncio
import json
import re
import sys
from pathlib import Path

import httpx
import pytest

from tests.processes import ApiProcess, api_process
from tests.stage import Stage
from tests.world import World

EXAMPLES = 8
CHECKS_LEFT_OUT = (
    "unsupported_method",  # the contract answers 404 to a wrong method
    "positive_data_acceptance",  # a valid body may still be refused by the rules of credit
)


@pytest.fixture(scope="module")
async def api(stage: Stage) -> "ApiProcess":  # type: ignore[misc]  # an async generator, as pytest wants it
    """A real process to shoot at; both webhooks have their secrets."""
    async with api_process({**stage.environment, "TAZCO_WPP_WEBHOOK_SECRET": "throw-away"}) as process:
        yield process


@pytest.mark.parametrize("who", ["a cardholder", "an operator"])
async def test_schemathesis_finds_no_5xx_and_no_undocumented_answer(
    who: str, world: World, api: ApiProcess, tmp_path: Path
) -> None:
    person = await world.operator() if who == "an operator" else (await world.cardholder())[0]
    report = tmp_path / "report.txt"
    with report.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {person.access_token}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure"),
            *("--exclude-checks", ",".join(CHECKS_LEFT_OUT), "--exclude-path", "/v1/admin/cleanup", "--seed", "1"),
            cwd=tmp_path,
            stdout=out,
            stderr=out,
        )
        assert await child.wait() == 0, report.read_text()[-6000:]
    generated = re.search(r"(\d+) generated", report.read_text())
    assert generated is not None
    assert int(generated[1]) > 300


async def test_the_document_is_openapi_3_1_with_examples_and_the_page_needs_nothing_from_elsewhere(api: ApiProcess) -> None:
    async with httpx.AsyncClient(base_url=api.url) as http:
        document = (await http.get("/openapi.json")).json()
        page = await http.get("/docs")
    assert document["openapi"].startswith("3.1")
    bodies = [
        operation["requestBody"]["content"]["application/json"]
        for path in document["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    ]
    assert bodies
    assert all("example" in body for body in bodies)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(target.startswith(("/", "data:")) for target in re.findall(r'(?:src|href)="([^"]+)"', page.text))
    assert "http" not in json.dumps(document.get("servers", []))
