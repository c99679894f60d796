"""What hand-made rows tell: every kind of step, and the stories that have lost something."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tazco.audit.model import Action
from tazco.notifications.model import DeliveryStatus
from tazco.scores.model import ScoreSource
from tazco.timeline.model import Found, Origin, State, StepKind
from tazco.timeline.rules.stories import stories_in, touching
from tazco.trackers.model import TrackerStatus
from tests.timeline.rows import (
    APPROVED,
    ASKED,
    CARD,
    CODE,
    DECIDED,
    NOON,
    OPERATOR,
    OWNER,
    REQUEST,
    TAP,
    TRACKER,
    TWO,
    USER,
    by_id,
    deed,
    event,
    later,
    message,
    notification,
    of,
    one,
    only,
    outline,
    reply,
    score_step,
)

READ: dict[str, Any] = {"delivery_status": DeliveryStatus.READ, "delivered_at": later(900), "read_at": later(2_000)}
DECIDED_BY_TAP = Found(
    events=(APPROVED, ASKED),
    deeds=(deed(),),
    told=(notification("Desk 2", TWO), notification(**READ), reply("meta#wamid.A", later(5_010))),
    heard=(TAP,),
    trackers=(DECIDED,),
)


def test_a_request_that_approvers_are_asked_about_is_one_story_from_the_call_to_the_tap() -> None:
    assert outline(by_id(DECIDED_BY_TAP)["r-1"]) == [
        (0, "call", 0),
        (0, "commit", 0),
        (1, "event", 0),
        (2, "bus", 20),
        (2, "queue", 25),
        (2, "reaction", 40),
        (2, "notification", 60),
        (3, "delivered", 900),
        (3, "read", 2_000),
        (3, "reply", 5_000),
        (2, "notification", 60),
        (2, "decision", 5_010),
    ]


def test_the_tap_begins_a_story_of_its_own_and_each_names_the_other() -> None:
    stories = by_id(DECIDED_BY_TAP)
    asked, tapped = stories["r-1"], stories["wamid.A"]
    assert (only(asked, StepKind.REPLY).link, only(asked, StepKind.DECISION).link) == ("wamid.A", "wamid.A")
    assert only(tapped, StepKind.MESSAGE).link == "r-1"
    assert (asked.origin, tapped.origin) == (Origin.CARDHOLDER, Origin.APPROVER)
    assert outline(tapped) == [
        (0, "message", 0),
        (0, "commit", 10),
        (1, "deed", 10),
        (1, "event", 10),
        (2, "bus", 30),
        (1, "notification", 25),
    ]
    assert [story.correlation_id for story in stories_in(DECIDED_BY_TAP)] == ["wamid.A", "r-1"]


def test_titles_and_details_are_gaps_for_texts_and_hold_no_phone_number() -> None:
    asked, tapped = (by_id(DECIDED_BY_TAP)[name] for name in ("r-1", "wamid.A"))
    assert dict(only(asked, StepKind.CALL).title) == {"who": OWNER, "what": "card.requested"}
    assert dict(only(asked, StepKind.REACTION).title) == {"receives": 1, "notifications": 2}
    assert [dict(step.title) for step in of(asked, StepKind.NOTIFICATION)] == [
        {"kind": "card_request_approval", "name": name, "who": who, "status": status}
        for name, who, status in (("Desk 1", "****0000", "read"), ("Desk 2", "****7777", "sent"))
    ]
    decision = only(asked, StepKind.DECISION)
    assert dict(decision.title) == {"status": "approved", "code": CODE}
    assert dict(decision.details) == {"expires_at": NOON + timedelta(hours=24), "by": "whatsapp:0000"}
    message_step = only(tapped, StepKind.MESSAGE)
    assert dict(message_step.title) == {"who": "****0000", "name": "Desk 1", "command": f"approve {CODE}"}
    assert dict(message_step.details) == {"provider": "meta", "action": "approved"}
    assert only(tapped, StepKind.COMMIT).aggregates == (CARD, REQUEST)
    assert "5511900000000" not in repr((asked, tapped))


def test_of_two_approvers_who_answer_both_replies_are_told_and_the_later_one_did_nothing() -> None:
    outcome = '{"ok":true,"action":"ignored","reason":"already_processed","requestId":"q-1"}'
    late = message("wamid.B", later(7_000), phone=TWO, command=f"reject {CODE}", outcome=outcome)
    told = (*DECIDED_BY_TAP.told, reply("meta#wamid.B", later(7_008), "Desk 2", TWO))
    stories = by_id(replace(DECIDED_BY_TAP, heard=(late, TAP), told=told))
    assert [(step.link, step.details["action"]) for step in of(stories["r-1"], StepKind.REPLY)] == [
        ("wamid.A", "approved"),
        ("wamid.B", "ignored"),
    ]
    assert outline(stories["wamid.B"]) == [(0, "message", 0), (0, "commit", 8), (1, "notification", 23)]
    assert only(stories["wamid.B"], StepKind.MESSAGE).details["reason"] == "already_processed"
    assert only(stories["r-1"], StepKind.DECISION).link == "wamid.A"


def test_an_approver_who_answers_twice_has_two_replies_under_one_question() -> None:
    again = message(
        "wamid.B", later(6_000), outcome='{"ok":true,"action":"ignored","reason":"already_processed","requestId":"q-1"}'
    )
    stories = by_id(replace(DECIDED_BY_TAP, heard=(again, TAP)))
    assert [(step.after_ms, step.link) for step in of(stories["r-1"], StepKind.REPLY)] == [(5_000, "wamid.A"), (6_000, "wamid.B")]


@pytest.mark.parametrize(
    "stray",
    [
        message("wamid.X", later(5_000), command="approve 00000000"),
        message("wamid.X", later(30)),
        message("wamid.X", later(5_000), phone="4915100000000"),
        message("wamid.X", later(5_000), command=None, outcome='{"action":"ignored"}'),
    ],
    ids=["another code", "before it was asked", "somebody else", "no instruction"],
)
def test_a_message_that_does_not_answer_is_no_reply(stray: Any) -> None:
    stories = by_id(replace(DECIDED_BY_TAP, heard=(stray,)))
    assert of(stories["r-1"], StepKind.REPLY) == []
    assert only(stories["wamid.X"], StepKind.MESSAGE).link is None


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (None, State.WAITING),
        ('{"ok":false,"action":"error","error":"User not found."}', State.FAILED),
        ('{"ok":true,"action":"approved"}', State.DONE),
    ],
)
def test_a_message_waits_until_something_became_of_it(outcome: str | None, state: State) -> None:
    story = one(Found(heard=(message("wamid.A", NOON, outcome=outcome),)))
    assert (story.state, only(story, StepKind.MESSAGE).state) == (state, state)


def test_an_event_that_the_bus_took_at_the_third_attempt_tells_how_often_it_was_refused() -> None:
    bus = only(one(Found(events=(replace(ASKED, retries=2, last_error="InternalFailure: planned"),))), StepKind.BUS)
    assert (bus.state, bus.after_ms, dict(bus.details)) == (State.DONE, 20, {"retries": 2, "error": "InternalFailure: planned"})


def test_an_event_that_waits_tells_when_it_is_tried_again() -> None:
    waiting = replace(ASKED, left_at=None, retries=1, last_error="X", next_retry_at=later(10_000))
    story = one(Found(events=(waiting,)))
    bus = only(story, StepKind.BUS)
    assert (story.state, bus.state, bus.at, bus.details["next_retry_at"]) == (State.WAITING, State.WAITING, None, later(10_000))


def test_a_dead_letter_is_a_failure_of_the_whole_story() -> None:
    story = one(Found(events=(replace(ASKED, left_at=None, retries=5, last_error="X", dead=True),)))
    assert (story.state, only(story, StepKind.BUS).state) == (State.FAILED, State.FAILED)


@pytest.mark.parametrize(("awaited", "left", "kinds"), [(True, True, ["queue"]), (False, True, []), (True, False, [])])
def test_what_has_left_and_should_be_reacted_to_is_on_its_way(awaited: bool, left: bool, kinds: list[str]) -> None:  # noqa: FBT001  # cases
    story = one(Found(events=(replace(ASKED, awaited=awaited, left_at=later(20) if left else None),)))
    steps = [step for step in story.steps if step.kind is StepKind.QUEUE]
    assert [(step.kind.value, step.state, step.at) for step in steps] == [(kind, State.WAITING, None) for kind in kinds]


def test_an_event_handed_out_three_times_tells_so() -> None:
    story = one(Found(events=(ASKED,), told=(notification(receives=3, created_at=later(18_000), sent_at=later(18_020)),)))
    reaction = only(story, StepKind.REACTION)
    assert (reaction.after_ms, reaction.title["receives"], only(story, StepKind.QUEUE).after_ms) == (18_000, 3, 25)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (DeliveryStatus.PENDING, State.WAITING),
        (DeliveryStatus.FAILED, State.WAITING),
        (DeliveryStatus.SENT, State.DONE),
        (DeliveryStatus.DEAD_LETTER, State.FAILED),
    ],
)
def test_a_message_that_was_not_sent_waits_and_one_that_was_given_up_failed(status: DeliveryStatus, state: State) -> None:
    row: dict[str, Any] = {"sent_at": None, "retry_count": 2, "last_error": "131000", "next_attempt_at": later(60_000)}
    story = one(Found(events=(ASKED,), told=(notification(delivery_status=status, **row),)))
    step = only(story, StepKind.NOTIFICATION)
    assert (step.state, step.after_ms, story.state) == (state, None, state)
    assert dict(step.details) == {
        "written_at": later(40),
        "retries": 2,
        "error": "131000",
        "next_attempt_at": later(60_000),
        "provider": "meta",
    }


def test_what_was_read_was_delivered_even_if_nobody_said_when() -> None:
    told = notification(delivery_status=DeliveryStatus.READ, read_at=later(2_000))
    story = one(Found(events=(ASKED,), told=(told,)))
    assert (only(story, StepKind.DELIVERED).after_ms, only(story, StepKind.READ).after_ms) == (2_000, 2_000)


@pytest.mark.parametrize(
    ("status", "state"),
    [(TrackerStatus.PENDING, State.WAITING), (TrackerStatus.REJECTED, State.DONE), (TrackerStatus.EXPIRED, State.FAILED)],
)
def test_a_decision_waits_is_made_or_fails_to_come(status: TrackerStatus, state: State) -> None:
    story = one(Found(events=(ASKED,), trackers=(replace(TRACKER, status=status),)))
    assert (only(story, StepKind.DECISION).state, story.state) == (state, state)


def test_a_question_that_nobody_answered_is_ended_by_the_timer_and_the_stories_are_linked() -> None:
    at = NOON + timedelta(hours=24, seconds=12)
    expired = event("e-3", "card_request.expired", REQUEST, at, "r-2", sequence=2)
    closed = replace(TRACKER, status=TrackerStatus.EXPIRED, responded_at=at, responded_by="system")
    stories = by_id(Found(events=(expired, ASKED), told=(notification(),), trackers=(closed,)))
    assert (stories["r-2"].origin, stories["r-2"].steps[0].kind) == (Origin.TIMER, StepKind.TIMER)
    assert only(stories["r-1"], StepKind.DECISION).link == "r-2"


def test_an_operators_call_names_person_address_and_browser() -> None:
    adjusted = deed(Action.SCORE_ADJUSTED, NOON, "r-1", target_type="user", target_id=OWNER, **OPERATOR)
    story = one(Found(events=(event("e-1", "score.changed", USER),), deeds=(adjusted,)))
    call = only(story, StepKind.CALL)
    assert (story.origin, dict(call.title)) == (Origin.OPERATOR, {"who": "ada@example.com", "what": "score.adjusted"})
    assert dict(call.details) == {"address": "192.0.2.7", "browser": "Firefox"}
    assert (only(story, StepKind.DEED).details["reason"], story.incomplete) == ("Checked", False)


def test_one_call_may_commit_events_of_several_streams_and_each_tells_its_own_way_out() -> None:
    paid = event("e-2", "transaction.payment", CARD, sequence=7)
    moved = event("e-1", "score.changed", USER, sequence=3, left_at=None)
    story = one(Found(events=(moved, paid)))
    assert [step.title["type"] for step in of(story, StepKind.EVENT)] == ["transaction.payment", "score.changed"]
    assert [step.state for step in of(story, StepKind.BUS)] == [State.DONE, State.WAITING]
    assert only(story, StepKind.COMMIT).aggregates == (CARD, USER)
    assert story.steps[0].title["what"] == "transaction.payment"


def test_what_was_asked_comes_before_what_the_score_granted_at_once() -> None:
    granted = event("e-0", "card.approved", CARD)
    story = one(Found(events=(granted, ASKED)))
    assert [step.title["type"] for step in of(story, StepKind.EVENT)] == ["card.requested", "card.approved"]


def test_a_client_that_uses_one_request_id_twice_has_two_commits_in_one_story() -> None:
    story = one(Found(events=(ASKED, event("e-9", "transaction.purchase", CARD, later(700)))))
    assert [step.after_ms for step in of(story, StepKind.COMMIT)] == [0, 700]


def test_a_deed_whose_events_are_forgotten_is_told_as_incomplete() -> None:
    story = one(Found(deeds=(deed(),)))
    assert (story.incomplete, story.origin) == (True, Origin.APPROVER)
    assert dict(only(story, StepKind.MESSAGE).title) == {"who": "****0000", "what": "card_request.approved"}
    silent = one(Found(deeds=(deed(Action.USER_DISABLED, target_type="user", target_id=OWNER, **OPERATOR),)))
    assert not silent.incomplete


def test_what_the_messages_and_the_tracker_still_know_of_a_forgotten_request_is_one_story_without_an_id() -> None:
    story = one(Found(told=(notification(cause=None),), trackers=(TRACKER,)))
    assert (story.correlation_id, story.incomplete, story.began_at) == (None, True, later(40))
    assert outline(story) == [(0, "call", 0), (1, "notification", 20), (2, "decision", None)]


def test_a_score_that_moved_is_told_once_by_its_event_by_its_deed_or_alone() -> None:
    moved, step = event("e-1", "score.changed", USER), score_step(NOON, ScoreSource.ADMIN)
    assert of(one(Found(events=(moved,), scores=(step,))), StepKind.SCORE) == []
    adjusted = deed(Action.SCORE_ADJUSTED, NOON, "r-1", target_type="user", target_id=OWNER, **OPERATOR)
    assert len(of(one(Found(deeds=(adjusted,), scores=(step,))), StepKind.SCORE)) == 1
    alone = one(Found(scores=(step,)))
    assert (alone.correlation_id, alone.origin) == (None, Origin.OPERATOR)
    assert dict(only(alone, StepKind.SCORE).title) == {"previous": 500, "value": 640, "delta": 140}


def test_a_reply_whose_message_is_forgotten_stands_in_the_commit_that_it_shares_an_instant_with() -> None:
    story = one(Found(deeds=(deed(),), told=(reply(None, later(5_010)),)))
    assert [step.level for step in of(story, StepKind.NOTIFICATION)] == [1]


def test_only_stories_that_touch_an_aggregate_are_about_it() -> None:
    bought = event("e-5", "transaction.purchase", CARD, later(9_000), "r-5")
    moved = event("e-6", "score.changed", USER, later(9_500), "r-6")
    stories = stories_in(replace(DECIDED_BY_TAP, events=(*DECIDED_BY_TAP.events, bought, moved)))
    assert [story.correlation_id for story in touching(stories, "card", CARD.id)] == ["r-5", "wamid.A"]
    assert [story.correlation_id for story in touching(stories, "cardRequest", REQUEST.id)] == ["wamid.A", "r-1"]
