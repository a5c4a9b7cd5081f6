"""Targets on this machine: what arrives there, what is said where they refuse, and that no secret is in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from local.stack.part import ports
from notifier.addresses import parse
from notifier.alertmanager import Alertmanager
from notifier.apprise_target import AppriseTarget
from notifier.messages import Message, message
from notifier.planning import Notice
from notifier.stage import open_targets
from notifier.targets import Undelivered
from schemas.errors import UsageError
from tests.notifier.receivers import HERE, HttpReceiver, receiving
from tests.notifier.test_planning import change
from tests.notifier.told import settings

BOARD = "http://board:8000"
SECRET = "gehe im/@"


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    with receiving() as receiver:
        yield receiver


class Mailbox:
    """Keeps what an SMTP server takes."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refuses = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return "451 not now"
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 taken"


@contextmanager
def smtp(mailbox: Mailbox, folder: Path, password: str = "") -> Iterator[int]:
    """A server; with a password, it wants to have it."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password == password.encode(), handled=False)

    more = {"authenticator": check, "auth_required": True, "auth_require_tls": False} if password else {}
    (port,) = ports(folder, 1)  # none that the system gives to others meanwhile
    controller = Controller(mailbox, hostname=HERE, port=port, **more)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def target(text: str, **environ: str) -> AppriseTarget:
    return AppriseTarget(parse(text, environ), from_command_line=True)


def told(**changes: Any) -> Message:
    return message(Notice(change(1, "change:é:1h", **changes)), BOARD)


def why(sender: Any, sent: Message) -> str:
    with pytest.raises(Undelivered) as refused:
        sender.send(sent)
    return str(refused.value)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_mail_is_plain_text_with_the_id_in_its_header(tmp_path: Path) -> None:
    mailbox = Mailbox()
    with smtp(mailbox, tmp_path, SECRET) as port:
        ours = target(
            f"mailto://me:$PW@{HERE}:{port}?from=me@example.org&to=ops@example.org,b@example.org", PW=SECRET
        )
        ours.send(told())
    assert sorted(to for to, _ in mailbox.mails) == [["b@example.org"], ["ops@example.org"]]
    mail = mailbox.mails[0][1]
    assert mail.get_content_type() == "text/plain"
    assert mail.get_payload(decode=True).decode().splitlines() == told().body.splitlines()
    assert str(make_header(decode_header(mail["Subject"]))) == told().title
    assert mail["X-Driftline-Id"] == "change:%C3%A9:1h#1"
    assert "ops@example.org" in ours.name
    assert SECRET not in ours.name


def test_a_webhook_gets_the_message_and_fields_for_programs(http: HttpReceiver) -> None:
    ours = target(f"json://{HERE}:{http.port}/hook?+X-Mine=1")
    ours.send(told())
    ours.send(told(state="recovered"))
    ours.test()
    (headers, body), (_, ended), (_, test) = http.got
    assert (headers["X-Driftline-Id"], headers["X-Mine"]) == ("change:%C3%A9:1h#1", "1")
    assert (body["title"], body["message"], body["type"]) == (told().title, told().body, "warning")
    assert {name: body[name] for name in ("alarm", "run", "stream", "track", "state")} == {
        "alarm": "change:é:1h",
        "run": "r",
        "stream": "taxi",
        "track": "change",
        "state": "firing",
    }
    assert (ended["state"], ended["type"]) == ("recovered", "success")
    assert test["title"] == "[test] Driftline"
    assert "alarm" not in test
    assert not [body for _, body in http.got if "github" in str(body)]


@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_target_that_refuses_has_not_taken_the_message(http: HttpReceiver, status: int) -> None:
    http.status = status
    assert "JSON" in why(target(f"json://{HERE}:{http.port}"), told())
    assert f"HTTP {status}" in why(Alertmanager(parse(f"http://{HERE}:{http.port}", {})), told())


def test_why_a_message_was_not_taken_is_said_without_a_secret(http: HttpReceiver) -> None:
    http.close()
    environ = {"PW": SECRET, "HOOK": "T0KEN1234/s3cr3t5678"}
    for text in (
        "mailto://me:$PW@{at}?from=me@example.org",
        "json://me:$PW@{at}/$HOOK",
        "xml://{at}/$HOOK",
        "json://{at}/unknown-t0ken",
    ):
        ours = target(text.format(at=f"{HERE}:{http.port}"), **environ)
        said = why(ours, told()) + ours.name
        assert "refused" in said
        for secret in ("gehe", "T0KEN1234", "s3cr3t5678", "unknown-t0ken"):
            assert secret not in said, said
    manager = Alertmanager(parse(f"http://me:$PW@{HERE}:{http.port}/am", environ), from_command_line=True)
    assert "refused" in why(manager, told())
    assert "gehe" not in manager.name


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_wrong_password_is_named_as_such_and_not_shown(tmp_path: Path) -> None:
    with smtp(Mailbox(), tmp_path, "right") as port:
        ours = target(f"mailto://me:$PW@{HERE}:{port}?from=me@example.org", PW=SECRET)
        said = why(ours, told())
    assert "535" in said
    assert "gehe" not in said
    assert base64.b64encode(SECRET.encode()).decode() not in said


def test_a_mail_server_that_wants_to_be_asked_later_has_not_taken_the_message(tmp_path: Path) -> None:
    mailbox = Mailbox()
    mailbox.refuses = True
    with smtp(mailbox, tmp_path) as port:
        assert why(target(f"mailto://{HERE}:{port}?from=me@example.org&to=ops@example.org"), told())


@pytest.mark.parametrize(
    "text",
    [
        "mailto://me:geheim@mail.example.org",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "pagerduty://routingkey12345@abcdefapikey/",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_one_in_a_variable_is_not(text: str) -> None:
    with pytest.raises(UsageError, match="put it into a variable"):
        target(text)
    AppriseTarget(parse(text, {}))
    name = target("$ADDRESS", ADDRESS=text).name
    assert not [part for part in ("geheim", "T1JJ", "routing", "abcdef", "4174") if part in name]


def test_a_password_of_an_alertmanager_is_refused_too() -> None:
    with pytest.raises(UsageError, match="put it into a variable"):
        Alertmanager(parse("http://me:geheim@am:9093", {}), from_command_line=True)


@pytest.mark.parametrize("text", ["nope://t0ken", "tgram://bad-t0ken", "slack://t0ken"])
def test_an_address_that_apprise_does_not_understand_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError, match="apprise cannot use") as refused:
        target(text)
    assert "t0ken" not in str(refused.value)


def test_a_target_keeps_its_name_when_its_password_changes_and_gets_another_for_other_alarms() -> None:
    first, second = (target("mailto://me:$PW@h.org?to=a@h.org", PW=password).name for password in ("one", "two"))
    assert first == second
    assert target("harm=mailto://me:$PW@h.org?to=a@h.org", PW="one").name != first
    assert target("mailto://me:$PW@h.org?to=b@h.org", PW="one").name != first


def test_the_same_target_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="is there twice"):
        open_targets(settings("", "json://h.org/a", "json://h.org/a"))


def test_an_alertmanager_is_kept_informed_of_what_lives(http: HttpReceiver) -> None:
    now = [1_800_000_000.0]
    address = parse(f"http://{HERE}:{http.port}/am/", {})
    manager = Alertmanager(address, clock=lambda: now[0], resend_s=60.0)

    def sent() -> list[tuple[str, float]]:
        """(alarm, seconds until it ends) of the newest request."""
        alerts = http.got[-1][1]
        ends = [datetime.fromisoformat(one["endsAt"]).astimezone(UTC).timestamp() - now[0] for one in alerts]
        return [(one["labels"]["alarm"], end) for one, end in zip(alerts, ends, strict=True)]

    one, two = (message(Notice(change(n, name)), BOARD) for n, name in ((1, "a"), (2, "b")))
    manager.send(one)
    assert sent() == [("a", 900.0)]
    manager.keep([one, two])
    assert sent() == [("a", 900.0), ("b", 900.0)]
    manager.keep([one, two])
    now[0] += 59.0
    manager.keep([one, two])
    assert len(http.got) == 2
    now[0] += 1.0
    manager.keep([one, two])
    assert sent() == [("a", 900.0), ("b", 900.0)]
    manager.keep([two])
    assert sent() == [("b", 900.0), ("a", 0.0)]
    manager.send(message(Notice(change(3, "b", number=2, state="recovered")), BOARD))
    assert len(http.got) == 5
    manager.keep([])
    assert len(http.got) == 5
    manager.send(one)
    manager.keep([message(Notice(change(1, "a", over=True)), BOARD)])
    assert len(http.got) == 6, "resolved by itself, some time after the end of its run"
