"""What approvers read, word for word."""

from datetime import UTC, datetime

import orjson
import pytest

from tazco.kernel.ids import EcosystemId
from tazco.notifications.commands import forms_of
from tazco.notifications.model import Kind, Notification, Said
from tazco.notifications.rules import NAMED_CHARACTERS_MAX, WORDINGS, last_four, on_one_line
from tazco.platform.policy import Policy
from tazco.platform.whatsapp.limits import QUESTION_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from tazco.platform.whatsapp.messages import Button, Question, Template, Text
from tazco.users.model import Tier

APPROVAL = {"customer": "user-77@example.com", "tier": "low", "score": 430, "code": "7K3M9QXD"}
PAYMENT = {"card": "****89ab", "amount": 20_000, "at": "2031-04-05T06:07:08.090Z"}
ENGLISH = Policy(approval_template="card_request", payment_template="payment")
BRAZILIAN = Policy(locale="pt-BR", currency="BRL", time_zone="America/Sao_Paulo", template_language="pt_BR")


def told(kind: Kind, content: object) -> Notification:
    """A notification with some content."""
    return Notification(
        notification_id="n1",
        notification_type=kind,
        related_entity_type="cardRequest",
        related_entity_id="r1",
        ecosystem_id=EcosystemId("user-77"),
        recipient_name="Desk 1",
        content=orjson.dumps(content).decode(),
        provider="meta",
        created_at=datetime(2031, 4, 5, tzinfo=UTC),
    )


def test_a_card_request_asks_in_english() -> None:
    question, template = forms_of(told(Kind.APPROVAL, APPROVAL), ENGLISH)
    assert question == Question(
        "[CARD REQUEST] #7K3M9QXD\n"
        "Customer: user-77@example.com\n"
        "Tier: low\n"
        "Score: 430\n"
        "\n"
        "Reply y 7K3M9QXD to approve\n"
        "or n 7K3M9QXD to reject",
        (Button("approve:7K3M9QXD", "Approve"), Button("reject:7K3M9QXD", "Reject")),
    )
    assert template == Template(
        "card_request", "en", ("user-77@example.com", "low", "430", "7K3M9QXD"), ("approve:7K3M9QXD", "reject:7K3M9QXD")
    )


def test_a_card_request_asks_in_portuguese() -> None:
    question, template = forms_of(told(Kind.APPROVAL, APPROVAL), BRAZILIAN)
    assert question == Question(
        "[PEDIDO DE CARTÃO] #7K3M9QXD\n"
        "Cliente: user-77@example.com\n"
        "Nível: baixo\n"
        "Pontuação: 430\n"
        "\n"
        "Responda s 7K3M9QXD para aprovar\n"
        "ou n 7K3M9QXD para rejeitar",
        (Button("approve:7K3M9QXD", "Aprovar"), Button("reject:7K3M9QXD", "Rejeitar")),
    )
    assert template is None


def test_a_payment_is_told_in_english() -> None:
    text, template = forms_of(told(Kind.PAYMENT, PAYMENT), ENGLISH)
    assert text == Text("[PAYMENT RECEIVED]\nCard: ****89ab\nAmount: $200.00\nTime: 2031-04-05 06:07 (UTC)\n\nNo action needed.")
    assert template == Template("payment", "en", ("****89ab", "$200.00", "2031-04-05 06:07 (UTC)"))


def test_a_payment_is_told_in_portuguese() -> None:
    text, _ = forms_of(told(Kind.PAYMENT, PAYMENT), BRAZILIAN)
    assert text == Text(
        "[PAGAMENTO RECEBIDO]\n"
        "Cartão: ****89ab\n"
        "Valor: R$\N{NO-BREAK SPACE}200,00\n"
        "Horário: 05/04/2031, 03:07 (America/Sao_Paulo)\n"
        "\n"
        "Nenhuma ação necessária."
    )


@pytest.mark.parametrize(
    ("said", "english", "brazilian"),
    [
        ("approved", "#7K3M9QXD is approved. Limit: $500.00", "#7K3M9QXD foi aprovado. Limite: R$\N{NO-BREAK SPACE}500,00"),
        ("rejected", "#7K3M9QXD is rejected.", "#7K3M9QXD foi rejeitado."),
        ("already_decided", "#7K3M9QXD has already been decided.", "#7K3M9QXD já foi decidido."),
        ("expired", "#7K3M9QXD has expired.", "#7K3M9QXD expirou."),
        ("not_found", "There is no card request #7K3M9QXD.", "Não existe o pedido de cartão #7K3M9QXD."),
        (
            "owner_gone",
            "#7K3M9QXD cannot be approved: the customer is gone.",
            "#7K3M9QXD não pode ser aprovado: o cliente não existe mais.",
        ),
        (
            "owner_disabled",
            "#7K3M9QXD cannot be approved: the customer's account is disabled.",
            "#7K3M9QXD não pode ser aprovado: a conta do cliente está desativada.",
        ),
        (
            "has_card",
            "#7K3M9QXD cannot be approved: the customer has a card already.",
            "#7K3M9QXD não pode ser aprovado: o cliente já tem um cartão.",
        ),
    ],
)
def test_a_reply_says_shortly_what_the_answer_did(said: str, english: str, brazilian: str) -> None:
    row = told(Kind.REPLY, {"said": said, "code": "7K3M9QXD", **({"limit": 50_000} if said == "approved" else {})})
    assert forms_of(row, ENGLISH) == (Text(english), None)
    assert forms_of(row, BRAZILIAN) == (Text(brazilian), None)


def test_every_language_has_every_word() -> None:
    for wording in WORDINGS.values():
        assert set(wording.replies) == set(Said)
        assert set(wording.tiers) == set(Tier)
        assert max(len(wording.approve), len(wording.reject)) <= TITLE_CHARACTERS_MAX


def test_what_a_customer_is_called_can_neither_break_out_of_its_line_nor_fill_the_message() -> None:
    assert on_one_line("a@b\nScore: 990\r\n\tReply\N{RIGHT-TO-LEFT OVERRIDE}y") == "a@b Score: 990 Reply y"
    assert on_one_line("{code}@b") == "{code}@b"
    longest = on_one_line("x" * 5_000)
    assert (len(longest), longest[-1]) == (NAMED_CHARACTERS_MAX, "…")
    question, _ = forms_of(told(Kind.APPROVAL, {**APPROVAL, "customer": longest}), BRAZILIAN)
    assert isinstance(question, Question)
    assert len(question.body) <= QUESTION_CHARACTERS_MAX


def test_braces_in_a_name_are_no_gaps() -> None:
    question, _ = forms_of(told(Kind.APPROVAL, {**APPROVAL, "customer": "{code}{0}@b"}), ENGLISH)
    assert isinstance(question, Question)
    assert "Customer: {code}{0}@b\n" in question.body


def test_a_card_is_told_by_its_last_four_characters() -> None:
    assert last_four("0190a0b0-1111-7222-8333-4444555589ab") == "****89ab"
