"""The restore drill: what it makes, tells and leaves. The emulator copies a table as it is now, whatever moment is asked for."""

import os
import subprocess
import sys

import pytest

from tazco.cards.store import CARDS
from tests.clouds.differences import RECOVERY
from tests.contract.seeds import amend
from tests.deploy.dockerfile import DEPLOY
from tests.world import World


def drill(world: World, *arguments: str) -> "subprocess.CompletedProcess[str]":
    stage = world.stage
    environment = {**os.environ, **stage.environment, "AWS_DEFAULT_REGION": stage.cloud.region, "COLUMNS": "200", "NO_COLOR": "1"}
    command = (sys.executable, str(DEPLOY / "drills/restore.py"), "--prefix", stage.names.table_prefix, *arguments)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def tables(world: World) -> set[str]:
    pages = world.stage.clients.dynamodb.get_paginator("list_tables").paginate()
    return {name for page in pages for name in page["TableNames"] if name.startswith(world.stage.names.table_prefix)}


@pytest.fixture
async def card_id(world: World) -> str:
    person, card_id = await world.cardholder()
    assert (await person.buy(card_id, 100)).status == 201
    assert (await person.buy(card_id, 99_999)).status == 402
    assert (await person.pay(card_id, 40)).status == 201
    return f"{person.ecosystem_id}/{card_id}"


@pytest.mark.usefixtures("card_id")
async def test_every_ledger_table_comes_back_agrees_and_leaves_nothing(world: World) -> None:
    before = tables(world)
    ran = drill(world)
    if not RECOVERY:
        assert (ran.returncode, "has no point-in-time recovery" in ran.stdout) == (2, True), ran.stdout
        assert tables(world) == before
        return
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = {
        line.split()[0]: line.split()[3:] for line in ran.stdout.splitlines() if line.startswith(world.stage.names.table_prefix)
    }
    prefix = world.stage.names.table_prefix
    assert set(told) == before - {f"{prefix}outbox", f"{prefix}idempotency"}
    assert told[f"{prefix}transactions"] == ["3", "3", "3", "0", "0"]
    assert tables(world) == before


async def test_a_balance_that_its_ledger_does_not_bear_out_is_told(world: World, card_id: str) -> None:
    owner, card = card_id.split("/")
    await amend(world, CARDS, (owner, card), balance=1)
    ran = drill(world)
    if not RECOVERY:
        assert ran.returncode == 2
        return
    assert ran.returncode == 1
    assert f"card {card_id}: balance and ledger disagree" in ran.stdout


def test_a_wrong_prefix_is_told_and_nothing_is_made(world: World) -> None:
    before = tables(world)
    ran = drill(world, "--prefix", "nobody-has-this-")
    assert ran.returncode == 2
    assert "Check --prefix" in ran.stdout
    assert tables(world) == before
