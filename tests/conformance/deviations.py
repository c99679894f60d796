"""What the emulators are known to do otherwise, and how Tazco is tested or built in spite of it.

A deviation is an expectation: the suite fails when the target does as AWS does, or something else than `shows` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """`shows` is part of how the test fails; `instead` is what the target does, `compensated` what we do about it."""

    shows: str
    instead: str
    compensated: str


ACCEPTED: Final = "accepted, and not refused with"
NEVER: Final = "never seen in"
TAKEN: Final = "the entry was taken"

CONFLICTS: Final = "answers of the seam play conflicts: `tests/platform/test_faults.py` cancels commits with `TransactionConflict`"
PLAIN_CONFLICTS: Final = "`platform/aws.py` repeats a call that is refused so; only an AWS run shows it happening"
CAPACITY: Final = (
    "`tests/platform/test_round_trips.py` counts a batch itself, one unit a key; "
    "rows are kept below 1 KB by `tests/platform/test_row_sizes.py`"
)
QUERIES: Final = "not at all: the budgets count a query as MiniStack does, which holds up to 4 KB; a larger page costs more on AWS"
CURSORS: Final = "no client can send a key: cursors are signed (`tests/platform/test_paging.py`)"
REFUSALS: Final = "answers of the seam play refused entries: `tests/platform/test_bus.py`, `tests/platform/test_relay_refusals.py`"
BOUNDS: Final = "our own bound comes first"
SIGNED_OUT: Final = "the row of a person says that they are disabled, and calls look there at least every ten seconds; an access token lives an hour"
PROVISIONED: Final = (
    "`tests/platform/test_provision.py` holds the declaration; `tazco provision --check` compares it with the account"
)

MINISTACK: Final[Mapping[str, Deviation]] = {
    "test_arithmetic_is_exact_up_to_38_digits": Deviation(
        shows="12345678901234567890123456790000000000",
        instead="it rounds a sum to 28 digits",
        compensated="money is whole cents, computed in Python; no update of ours does arithmetic",
    ),
    "test_transactions_that_meet_are_cancelled_with_a_conflict": Deviation(
        shows=NEVER, instead="it runs one transaction after the other", compensated=CONFLICTS
    ),
    "test_a_plain_write_that_meets_a_transaction_is_refused_with_a_conflict": Deviation(
        shows=NEVER, instead="it runs one write after the other", compensated=PLAIN_CONFLICTS
    ),
    "test_a_batch_hands_back_the_keys_beyond_16_megabytes": Deviation(
        shows="all of 17 MB came in one answer",
        instead="it gives everything at once",
        compensated="`tests/platform/test_faults.py` leaves keys of a batch unread at the seam",
    ),
    "test_a_start_key_with_an_attribute_too_many_is_refused": Deviation(
        shows=ACCEPTED, instead="it ignores the attribute", compensated=CURSORS
    ),
    "test_a_start_key_of_another_type_is_refused": Deviation(shows=ACCEPTED, instead="it takes the key", compensated=CURSORS),
    "test_an_index_of_keys_refuses_to_give_more": Deviation(
        shows=ACCEPTED, instead="it gives the keys", compensated="no query of ours asks an index for more than it holds"
    ),
    "test_a_read_costs_a_unit_for_each_4_kilobytes": Deviation(
        shows="1.0 == 2", instead="it counts each row as one unit, whatever its size", compensated=CAPACITY
    ),
    "test_a_batch_costs_what_its_reads_cost": Deviation(
        shows="says nothing of capacity", instead="it does not say what a batch costs", compensated=CAPACITY
    ),
    "test_a_query_rounds_the_sum_of_its_rows": Deviation(
        shows="1.0 == 2", instead="it counts a query as one unit, whatever its size", compensated=QUERIES
    ),
    "test_a_filter_makes_a_query_no_cheaper": Deviation(
        shows="(0, 1.0) == (0, 2)", instead="it counts a query as one unit, whatever its size", compensated=QUERIES
    ),
    "test_rows_expire_by_an_attribute_that_is_described": Deviation(
        shows=ACCEPTED, instead="it takes the same setting twice", compensated="provisioning looks first and sets it once"
    ),
    "test_people_cannot_write_what_their_client_may_not": Deviation(
        shows=ACCEPTED,
        instead="it lets people write every attribute",
        compensated="the declared attributes are compared with the account; no attribute makes an admin (`tests/platform/test_identity.py`)",
    ),
    "test_nobody_can_sign_up": Deviation(shows=ACCEPTED, instead="anybody can sign up", compensated=PROVISIONED),
    "test_an_email_address_belongs_to_one_person": Deviation(
        shows=ACCEPTED,
        instead="it tells upper from lower case",
        compensated="a person is known by the `sub` of their token, not by the address",
    ),
    "test_a_new_password_has_to_meet_the_policy": Deviation(
        shows=ACCEPTED,
        instead="it takes any password",
        compensated="the refusal is one that `platform/user_pool.py` shows as it comes; only an AWS run shows it happening",
    ),
    "test_who_is_disabled_gets_no_new_tokens": Deviation(shows=ACCEPTED, instead="it renews their tokens", compensated=SIGNED_OUT),
    "test_who_was_signed_out_gets_no_new_tokens": Deviation(
        shows=ACCEPTED, instead="it renews their tokens", compensated=SIGNED_OUT
    ),
    "test_an_update_of_a_client_resets_what_it_does_not_name": Deviation(
        shows="still there",
        instead="it keeps what is not named",
        compensated="provisioning sends everything along; `tests/platform/test_provision.py` looks at the request",
    ),
    "test_a_protected_pool_cannot_be_deleted": Deviation(
        shows=ACCEPTED, instead="it deletes the pool", compensated="nothing of ours deletes a pool"
    ),
    "test_an_event_that_matches_arrives": Deviation(
        shows="2023-11-14T22:13:20Z",
        instead="it replaces the time of the event by its own",
        compensated="the envelope carries `occurredAt`",
    ),
    "test_an_entry_without_json_fails_alone": Deviation(shows=TAKEN, instead="it takes the entry", compensated=REFUSALS),
    "test_an_entry_whose_detail_is_no_object_fails_alone": Deviation(
        shows=TAKEN, instead="it takes the entry", compensated=REFUSALS
    ),
    "test_an_entry_without_its_source_fails_alone": Deviation(shows=TAKEN, instead="it takes the entry", compensated=REFUSALS),
    "test_an_entry_without_its_type_fails_alone": Deviation(shows=TAKEN, instead="it takes the entry", compensated=REFUSALS),
    "test_events_of_more_than_a_megabyte_are_refused": Deviation(
        shows=ACCEPTED, instead="it takes them", compensated=f"{BOUNDS}: `tests/platform/test_bus.py` keeps a call below 1 MB"
    ),
    "test_what_cannot_be_delivered_goes_to_the_dead_letter_queue": Deviation(
        shows="the dead letter did not come",
        instead="it drops the event",
        compensated="the target's declaration is held by `tests/platform/test_provision.py`; only an AWS run shows the letter",
    ),
    "test_nothing_is_hidden_for_more_than_twelve_hours": Deviation(
        shows=ACCEPTED, instead="it takes any time", compensated=f"{BOUNDS}: the longest pause is 1,024 s"
    ),
    "test_deleting_by_an_old_receipt_is_no_error": Deviation(
        shows="ReceiptHandleIsInvalid",
        instead="it refuses the receipt",
        compensated="a refused deletion is told and the message handled again: `tests/platform/test_consumer.py`",
    ),
    "test_a_deleted_message_does_not_come_back": Deviation(
        shows="ReceiptHandleIsInvalid",
        instead="it refuses to delete a message again",
        compensated="a refused deletion is told and the message handled again: `tests/platform/test_consumer.py`",
    ),
    "test_dead_letters_can_be_moved_back": Deviation(
        shows="InvalidAction",
        instead="it does not know the operation",
        compensated="`platform/queues.py` moves messages itself, with a bound, everywhere alike (`tests/platform/test_queues.py`)",
    ),
    "test_pages_of_more_than_ten_are_refused": Deviation(
        shows=ACCEPTED, instead="it gives larger pages", compensated="ours are of ten, read to the last one"
    ),
    "test_pages_of_a_history_of_more_than_fifty_are_refused": Deviation(
        shows=ACCEPTED, instead="it gives larger pages", compensated="ours are of fifty, read to the last one"
    ),
    "test_a_value_of_a_byte_more_is_refused": Deviation(
        shows=ACCEPTED, instead="it takes any length", compensated=f"{BOUNDS}: `tuning` refuses a text of more than 4,096 bytes"
    ),
    "test_an_empty_value_is_refused": Deviation(
        shows=ACCEPTED, instead="it takes an empty value", compensated="no policy parameter has an empty value; readers refuse one"
    ),
    "test_a_value_has_to_match_the_allowed_pattern": Deviation(
        shows=ACCEPTED,
        instead="it ignores the pattern",
        compensated="a policy is validated by its reader (`tests/platform/test_policy.py`)",
    ),
}

DYNAMODB_LOCAL: Final[Mapping[str, Deviation]] = {
    "test_transactions_that_meet_are_cancelled_with_a_conflict": Deviation(
        shows=NEVER, instead="it runs one transaction after the other", compensated=CONFLICTS
    ),
    "test_a_plain_write_that_meets_a_transaction_is_refused_with_a_conflict": Deviation(
        shows=NEVER, instead="it runs one write after the other", compensated=PLAIN_CONFLICTS
    ),
    "test_a_transaction_that_names_a_row_twice_is_invalid": Deviation(
        shows="refused with TransactionCanceledException",
        instead="where a condition fails too it says that first",
        compensated="`platform/commit.py` asserts one action a row before it sends anything",
    ),
    "test_a_batch_costs_what_its_reads_cost": Deviation(
        shows="assert 3.0 ==", instead="a key that finds nothing costs nothing", compensated=CAPACITY
    ),
    "test_an_index_costs_the_same_within_a_transaction": Deviation(
        shows="(2.0, 2.0) == (2, 1)",
        instead="it doubles the units of an index",
        compensated="the budgets are measured on MiniStack, which counts as AWS does here",
    ),
    "test_point_in_time_recovery_can_be_switched_on": Deviation(
        shows="UnknownOperationException",
        instead="it does not know the operation",
        compensated="provisioning says that the endpoint does not support it and goes on",
    ),
}

LOCALSTACK: Final[Mapping[str, Deviation]] = {
    "test_a_disabled_rule_delivers_nothing": Deviation(
        shows="Left contains one more item",
        instead="a disabled rule delivers",
        compensated="nothing of ours disables a rule; provisioning leaves it to the operator",
    ),
    "test_an_event_of_nearly_a_megabyte_is_taken": Deviation(
        shows="over the limit",
        instead="its limit is the former one of 256 KB",
        compensated="a call that is refused whole is sent entry by entry (`tests/platform/test_bus.py`); an event of ours has a few KB",
    ),
    "test_what_cannot_be_delivered_goes_to_the_dead_letter_queue": Deviation(
        shows="the dead letter did not come",
        instead="it drops the event",
        compensated="the target's declaration is held by `tests/platform/test_provision.py`; only an AWS run shows the letter",
    ),
    "test_nothing_is_hidden_for_more_than_twelve_hours": Deviation(
        shows=ACCEPTED, instead="it takes any time", compensated=f"{BOUNDS}: the longest pause is 1,024 s"
    ),
    "test_a_secret_is_readable_with_decryption_only": Deviation(
        shows="kms:alias/aws/ssm:open sesame",
        instead="the secret stands in the answer, behind a prefix",
        compensated="every read of ours asks for decryption; an emulator holds no real secret",
    ),
    "test_a_value_of_a_byte_more_is_refused": Deviation(
        shows=ACCEPTED, instead="it takes any length", compensated=f"{BOUNDS}: `tuning` refuses a text of more than 4,096 bytes"
    ),
    "test_a_value_has_to_match_the_allowed_pattern": Deviation(
        shows=ACCEPTED,
        instead="it ignores the pattern",
        compensated="a policy is validated by its reader (`tests/platform/test_policy.py`)",
    ),
}
