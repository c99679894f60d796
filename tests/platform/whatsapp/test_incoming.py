"""Webhook bodies in, neutral values out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.errors import Invalid
from tazco.platform.whatsapp.incoming import Broken, Ignored, Incoming, Item, StatusUpdate, parse_meta, parse_wppconnect

NUMBER_ID = "123456"
PHONE = "5511900000000"
USER_ID = "BR.1349120865530274"
CONTACT = {"profile": {"name": "Desk"}, "wa_id": PHONE, "user_id": USER_ID}
TAP = {
    "from": PHONE,
    "from_user_id": USER_ID,
    "id": "wamid.A",
    "timestamp": "1933221228",
    "type": "interactive",
    "interactive": {"type": "button_reply", "button_reply": {"id": "approve:7K3M9QXD", "title": "Approve"}},
}
TICK = {"id": "wamid.B", "status": "delivered", "timestamp": "1933221229", "biz_opaque_callback_data": "0190-n"}
TICKED_AT = datetime(2031, 4, 6, 5, 53, 49, tzinfo=UTC)


def change(
    *messages: Any, contacts: Any = (CONTACT,), statuses: tuple[Any, ...] = (), number_id: Any = NUMBER_ID, field: Any = "messages"
) -> dict[str, Any]:
    value = {"metadata": {"phone_number_id": number_id}, "contacts": list(contacts), "messages": list(messages)}
    return {"field": field, "value": {**value, "statuses": list(statuses)}}


def notice(*changes: Any) -> dict[str, Any]:
    return {"object": "whatsapp_business_account", "entry": [{"id": "…", "changes": [each]} for each in changes]}


def meta(*messages: Any, **more: Any) -> tuple[Item, ...]:
    return parse_meta(notice(change(*messages, **more)), NUMBER_ID)


def one(*messages: Any, **more: Any) -> Incoming:
    (item,) = meta(*messages, **more)
    assert isinstance(item, Incoming)
    return item


def test_a_tapped_button_comes_with_its_sender_and_id() -> None:
    assert one(TAP) == Incoming(
        provider="meta", message_id="wamid.A", phone=PHONE, user_id=USER_ID, name="Desk", text="approve:7K3M9QXD"
    )


def test_all_entries_changes_messages_and_statuses_are_read_in_their_order() -> None:
    body = notice(change({**TAP, "id": "1"}, {**TAP, "id": "2"}, statuses=(TICK,)), change({**TAP, "id": "3"}))
    body["entry"][1]["changes"].append(change({**TAP, "id": "4"}))
    items = parse_meta(body, NUMBER_ID)
    assert [item.message_id for item in items if isinstance(item, Incoming | StatusUpdate)] == ["1", "2", "wamid.B", "3", "4"]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "text", "text": {"body": "y 7K3M9QXD"}}, "y 7K3M9QXD"),
        ({"type": "button", "button": {"payload": "reject:7K3M9QXD", "text": "Reject"}}, "reject:7K3M9QXD"),
        ({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "approve:7K3M9QXD"}}}, None),
        ({"type": "image", "image": {"id": "1", "caption": "y 7K3M9QXD"}}, None),
        ({"type": "reaction", "reaction": {"emoji": "👍"}}, None),
        ({"type": "text", "text": "y"}, None),
        ({"type": "text", "text": {"body": 7}}, None),
        ({"type": "button", "button": {"payload": ["approve"]}}, None),
        ({}, None),
    ],
)
def test_text_button_and_template_button_are_input_and_nothing_else_is(part: dict[str, Any], text: str | None) -> None:
    assert one({"id": "wamid.A", "from": PHONE, **part}).text == text


def test_a_sender_without_a_number_is_known_by_user_id() -> None:
    message = {"id": "wamid.A", "from_user_id": USER_ID}
    found = one(message, contacts=[{"user_id": USER_ID, "profile": {"name": "Desk"}}])
    assert (found.phone, found.user_id, found.name) == (None, USER_ID, "Desk")
    found = one({"id": "wamid.A"}, contacts=[{"user_id": USER_ID}])
    assert (found.phone, found.user_id, found.name) == (None, USER_ID, None)


def test_the_contact_with_the_same_number_or_user_id_tells_the_rest() -> None:
    other = {"wa_id": "12025550123", "user_id": "US.1", "profile": {"name": "Other"}}
    by_number = one({"id": "wamid.A", "from": PHONE}, contacts=[other, CONTACT])
    by_user = one({"id": "wamid.A", "from_user_id": USER_ID}, contacts=[other, CONTACT])
    assert (by_number.phone, by_number.user_id, by_number.name) == (PHONE, USER_ID, "Desk")
    assert (by_user.phone, by_user.user_id, by_user.name) == (PHONE, USER_ID, "Desk")


def test_nobody_is_taken_for_the_contact_of_somebody_else() -> None:
    other = {"wa_id": "12025550123", "user_id": "US.1"}
    assert one({"id": "wamid.A", "from": PHONE}, contacts=[other]).user_id is None
    assert meta({"id": "wamid.A"}, contacts=[other, CONTACT]) == (Broken("a message names no sender"),)


def test_an_old_brazilian_number_is_brought_into_normal_form_and_an_odd_one_is_no_number() -> None:
    assert one({"id": "wamid.A", "from": "551182345678"}).phone == "5511982345678"
    assert one({"id": "wamid.A", "from": "123"}).phone is None


def test_a_message_from_a_group_says_so() -> None:
    assert one({**TAP, "group_id": "g1"}).group
    assert not one(TAP).group


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"object": "page", "entry": []}, "non_message_event"),
        ({}, "non_message_event"),
        (notice(change(TAP, field="account_update")), "non_message_event"),
        (notice(change(TAP, number_id="999")), "session_mismatch"),
        (notice(change(TAP, number_id=123456)), "session_mismatch"),
        (notice({"field": "messages", "value": {"messages": [TAP]}}), "session_mismatch"),
        (notice(change(number_id="999")), "session_mismatch"),
    ],
)
def test_what_is_not_for_us_is_ignored_with_its_reason(body: dict[str, Any], reason: str) -> None:
    assert parse_meta(body, NUMBER_ID) == (Ignored(reason),)


def test_nothing_is_said_of_statuses_for_another_number() -> None:
    assert parse_meta(notice(change(number_id="999", statuses=(TICK,))), NUMBER_ID) == ()


def test_each_message_to_another_number_is_ignored_by_itself() -> None:
    assert parse_meta(notice(change(TAP, TAP, number_id="999")), NUMBER_ID) == (Ignored("session_mismatch"),) * 2


@pytest.mark.parametrize(
    "broken",
    [
        *(None, "text", 7, [], {}, {"from": PHONE}, {"from": PHONE, "id": 7}, {"from": PHONE, "id": ""}),
        *({"from": PHONE, "id": "x" * 513}, {"from": PHONE, "id": "\ud800"}, {"from": PHONE, "id": "a\nb"}),
        *(
            {"id": "wamid.A", "from": 7},
            {"id": "wamid.A", "from_user_id": {}, "from": []},
            {"id": "wamid.A", "from_user_id": "x" * 513},
        ),
    ],
)
def test_one_broken_message_does_not_cost_the_others(broken: Any) -> None:
    first, second, third = meta(TAP, broken, TAP, contacts=[])
    assert isinstance(second, Broken)
    assert (
        first
        == third
        == Incoming(provider="meta", message_id="wamid.A", phone=PHONE, user_id=USER_ID, name=None, text="approve:7K3M9QXD")
    )


def test_broken_envelopes_do_not_cost_the_others_either() -> None:
    body = notice("broken", {"field": "messages", "value": None}, change(TAP))
    body["entry"].insert(0, "broken")
    assert [type(item) for item in parse_meta(body, NUMBER_ID)] == [Broken, Broken, Broken, Incoming]


def test_the_longest_id_is_taken() -> None:
    assert one({**TAP, "id": "x" * 512}).message_id == "x" * 512


def test_a_status_names_its_notification_and_why_it_failed() -> None:
    failed = {"id": "wamid.C", "status": "failed", "errors": [{"title": "?"}, {"code": True}, {"code": 131026}, {"code": 1}]}
    assert meta(statuses=(TICK, failed)) == (
        StatusUpdate(message_id="wamid.B", reference="0190-n", status="delivered", at=TICKED_AT),
        StatusUpdate(message_id="wamid.C", reference=None, status="failed", error_code=131026),
    )


@pytest.mark.parametrize("timestamp", [None, 1933221229, "", "soon", "-1", "1.5", "9" * 12, "\u0661"])
def test_a_status_without_a_usable_instant_has_none(timestamp: object) -> None:
    (status,) = meta(statuses=({**TICK, "timestamp": timestamp},))
    assert isinstance(status, StatusUpdate)
    assert status.at is None


def test_of_a_status_that_we_do_not_keep_or_that_is_broken_nothing_is_said() -> None:
    assert meta(statuses=({**TICK, "status": "played"}, {**TICK, "id": 7}, {**TICK, "status": None}, "broken")) == ()


def test_a_message_of_another_type_says_nothing_whatever_it_carries() -> None:
    assert one({**TAP, "type": "reaction", "text": {"body": "y 7K3M9QXD"}}).text is None
    untyped = {name: value for name, value in TAP.items() if name != "type"}
    assert one({**untyped, "interactive": None, "text": {"body": "y 7K3M9QXD"}}).text == "y 7K3M9QXD"


def test_names_and_texts_can_be_stored_whatever_they_hold() -> None:
    found = one({**TAP, "type": "text", "text": {"body": "y\ud800"}}, contacts=[{**CONTACT, "profile": {"name": "\udfff"}}])
    assert (found.text, found.name) == ("y?", "?")


WPP = {
    "id": "true_5511…",
    "body": "y 7K3M9QXD",
    "from": f"{PHONE}@c.us",
    "fromMe": False,
    "isGroupMsg": False,
    "sender": {"pushname": "Desk"},
}
SESSION = "tazco-financial-api"


def wpp(message: Any, event: Any = "onmessage", session: Any = SESSION) -> Incoming | Ignored:
    nested = parse_wppconnect({"event": event, "session": session, "data": message}, SESSION)
    if isinstance(message, Mapping):
        assert parse_wppconnect({"event": event, "session": session, **message}, SESSION) == nested
    return nested


def read(**changes: Any) -> Incoming:
    found = wpp({**WPP, **changes})
    assert isinstance(found, Incoming)
    return found


def test_wppconnect_messages_are_read_nested_flat_and_from_a_list_of_one() -> None:
    expected = Incoming(provider="wppconnect", message_id="true_5511…", phone=PHONE, user_id=None, name="Desk", text="y 7K3M9QXD")
    assert wpp(WPP) == wpp([WPP]) == wpp(WPP, "unreadmessages") == expected


def test_an_id_may_stand_in_an_object() -> None:
    assert read(id={"_serialized": "false_1", "fromMe": False}).message_id == "false_1"


@pytest.mark.parametrize(
    ("sender", "phone"),
    [
        ("551182345678@c.us", "5511982345678"),
        (f"{PHONE}@s.whatsapp.net", PHONE),
        (f"{PHONE}:12@c.us", PHONE),
        (PHONE, PHONE),
        (f"{PHONE}@lid", None),
        (f"{PHONE}@newsletter", None),
        (f"{PHONE}@c.us\n", None),
        (f"x{PHONE}@c.us", None),
        ("١٢٣٤٥٦٧٨٩@c.us", None),
        ("status@broadcast", None),
        ("123@c.us", None),
        ("@", None),
    ],
)
def test_only_a_plain_phone_is_a_phone_and_odd_senders_are_nobody(sender: str, phone: str | None) -> None:
    found = read(**{"from": sender})
    assert (found.phone, found.user_id) == (phone, None)


def test_our_own_messages_and_groups_say_so() -> None:
    assert (read().from_self, read().group) == (False, False)
    assert read(fromMe=True).from_self
    assert read(isGroupMsg=True).group
    assert read(**{"from": "120363@g.us"}).group


@pytest.mark.parametrize("body", [None, 7, ["y"], {"y": 1}, ""])
def test_a_body_that_is_no_text_is_no_command(body: Any) -> None:
    assert read(body=body).text is None


def test_events_and_sessions_of_others_are_ignored_in_that_order_whatever_they_hold() -> None:
    assert wpp(WPP, "onack") == wpp({}, "onack") == wpp(WPP, "onack", "other") == Ignored("non_message_event")
    assert wpp(WPP, session="other") == wpp({}, session="other") == Ignored("session_mismatch")


ENVELOPE = {"event": "onmessage", "session": SESSION}
NO_MESSAGE: list[Any] = [{}, [], [WPP, WPP], [7], None, "x"]
NO_ID: list[Any] = [None, 7, "", {}, {"_serialized": 7}, "x" * 513, "\ud800"]
NO_SENDER: list[Any] = [None, 7, "", {}]


@pytest.mark.parametrize(
    "body",
    [
        *(None, "text", 7, [], [WPP], {}),
        *({"event": "onmessage", "data": WPP}, {"event": 7, "session": SESSION}, {"event": "onack", "session": None}),
        *({**ENVELOPE, "data": bad} for bad in NO_MESSAGE),
        *({**ENVELOPE, "data": {**WPP, "id": bad}} for bad in NO_ID),
        *({**ENVELOPE, "data": {**WPP, "from": bad}} for bad in NO_SENDER),
    ],
)
def test_what_wppconnect_never_sends_is_refused(body: Any) -> None:
    with pytest.raises(Invalid):
        parse_wppconnect(body, SESSION)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=())),
    st.sampled_from([PHONE, USER_ID, NUMBER_ID, SESSION, "messages", "whatsapp_business_account", "onmessage", "x" * 513, "a@lid"]),
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def with_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The JSON value with something else at one place."""
    if not path:
        return new
    if isinstance(value, dict):
        return {key: with_at(each, path[1:], new) if key == path[0] else each for key, each in value.items()}
    return [with_at(each, path[1:], new) if key == path[0] else each for key, each in enumerate(value)]


META_BODY = notice(change(TAP, {**TAP, "type": "text", "text": {"body": "y"}}, statuses=({**TICK, "errors": [{"code": 1}]},)))
WPP_BODY = {"event": "onmessage", "session": SESSION, "data": {**WPP, "id": {"_serialized": "x"}}}


@given(st.sampled_from(places(META_BODY)[1:]), JSON)
def test_meta_never_raises_whatever_stands_in_any_place(place: tuple[Any, ...], value: Any) -> None:
    for item in parse_meta(with_at(META_BODY, place, value), NUMBER_ID):
        if isinstance(item, Incoming | StatusUpdate):
            assert 1 <= len(item.message_id) <= 512


@given(st.sampled_from(places(WPP_BODY)), JSON)
def test_wppconnect_raises_nothing_but_invalid_whatever_stands_in_any_place(place: tuple[Any, ...], value: Any) -> None:
    try:
        found = parse_wppconnect(with_at(WPP_BODY, place, value), SESSION)
    except Invalid:
        return
    assert isinstance(found, Ignored) or 1 <= len(found.message_id) <= 512
