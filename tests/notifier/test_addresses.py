"""Addresses are read as they are meant, and nothing secret in them is ever shown."""

from __future__ import annotations

import pytest

from notifier.addresses import TRACKS, Redactor, Selection, parse, refuse_literal
from schemas.errors import UsageError

MAIL = "mailto://u@mail.example.org"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MAIL, Selection(None, TRACKS)),
        (f"harm={MAIL}", Selection(None, ("harm",))),
        (f"harm,change={MAIL}", Selection(None, ("change", "harm"))),
        (f"taxi:all={MAIL}", Selection("taxi", TRACKS)),
        (f"taxi:ageing={MAIL}?a=b", Selection("taxi", ("ageing",))),
    ],
)
def test_what_stands_before_the_address_chooses_alarms(text: str, expected: Selection) -> None:
    found = parse(text, {})
    assert found.selection == expected
    assert found.url.startswith(MAIL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"chnage={MAIL}", "'chnage' is no track: write [STREAM:]TRACK"),
        (f":harm={MAIL}", "is no track"),
        ("ops@example.org", "an address is none: write it as SCHEME://"),
        ("mailto://u:$PW@h", "refers to $PW, which is not set"),
        ("mailto://u:${PW}@h", "refers to $PW, which is not set"),
    ],
)
def test_a_wrong_address_is_refused_with_advice(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, {"PW": ""})
    assert said in str(refused.value)


def test_the_environment_takes_the_place_of_names_and_is_quoted_where_it_must_be() -> None:
    environ = {"PW": "p@s/s:w#", "PATH_": "a/b", "ALL": "slack://T/B/x y"}
    assert parse("mailto://u:${PW}@h", environ).url == "mailto://u:p%40s%2Fs%3Aw%23@h"
    assert parse("json://h/$PATH_/c", environ).url == "json://h/a/b/c"
    whole = parse("harm=$ALL", environ)
    assert (whole.url, str(whole.selection)) == ("slack://T/B/x y", "harm")
    assert whole.secrets == ("slack://T/B/x y",)


def test_an_address_shows_nothing_of_itself() -> None:
    assert (
        repr(parse("mailto://u:geheim@h", {}))
        == "Address(selection=Selection(stream=None, tracks=('change', 'segments', 'harm', 'ageing')))"
    )


def test_a_secret_that_is_written_out_is_refused_and_one_of_the_environment_is_not() -> None:
    refuse_literal(parse("mailto://u:$PW@h", {"PW": "geheim"}), ["geheim"])
    with pytest.raises(UsageError, match="put it into a variable") as refused:
        refuse_literal(parse("mailto://u:gehe%69m@h", {}), ["geheim"])
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("secret", ["geheim", "p@s/s w:%", "T1/B2/x3"])
def test_no_form_of_a_secret_stays_in_a_text(secret: str) -> None:
    redact = Redactor([secret])
    from urllib.parse import quote  # noqa: PLC0415

    for form in (secret, quote(secret), quote(secret, safe="")):
        assert redact(f"failed: http://h/{form}?x") == "failed: http://h/…?x"


def test_a_short_secret_is_found_as_a_word_and_not_within_others() -> None:
    assert Redactor(["a"])("a password: a") == "… password: …"
    assert Redactor([])("nothing") == "nothing"
