"""What looks like a secret is hidden, whoever's it is, and what only speaks of secrets is left alone."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andock.redaction import SHAPES_ONLY, Redactor, read_pattern
from andock.redaction.shapes import MARK, SHAPES, WIDEST, Shape

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
BODY = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"[:64] for _ in range(28))
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\nc2hvcnQ=\n-----END RSA PRIVATE KEY-----"
HIDDEN_PEM = f"-----BEGIN RSA PRIVATE KEY-----{MARK}-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "said", "kind"),
    [
        ("xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy.", f"{MARK}.", "Slack token"),
        ("xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4OTAtMTIz", f"xoxe.{MARK}", "Slack token"),
        ("is xapp-1-A0FAKE-17653672481-7f9e0c2d set?", f"is {MARK} set?", "Slack token"),
        (
            "POST https://hooks.slack.com/services/T000/B000/XXXXyyyy 200",
            f"POST https://hooks.slack.com/services/{MARK} 200",
            "Slack webhook",
        ),
        ("id AKIAIOSFODNN7EXAMPLE, more", f"id {MARK}, more", "AWS key"),
        ("ASIAIOSFODNN7EXAMPLE", MARK, "AWS key"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", MARK, "access token"),
        ("glpat-abcdefghij0123456789", MARK, "access token"),
        (f"jwt {JWT} end", f"jwt {MARK} end", "JSON web token"),
        (f"<{PEM}>", f"<{HIDDEN_PEM}>", "private key"),
        (PEM.replace("\n", "\r\n"), HIDDEN_PEM, "private key"),
        (f'{{"a": "{PEM}"}}'.replace("\n", "\\n"), f'{{"a": "{HIDDEN_PEM}"}}', "private key"),
        (PEM.replace("\n", " "), HIDDEN_PEM, "private key"),
        (base64.b64encode(b"xy" + PEM.encode()).decode() + " z", f"eHk{MARK} z", "private key"),
        ("Bearer abcdef0123456789ABCDEF==", f"Bearer {MARK}", "bearer token"),
        ("Authorization: Bearer abc def", f"Authorization: Bearer {MARK} def", "authorization header"),
        ('-H "authorization:Basic dXNlcjpwYXNz"', f'-H "authorization:Basic {MARK}"', "authorization header"),
        ("redis://:hunter2@10.0.0.1:6379/0", f"redis://:{MARK}@10.0.0.1:6379/0", "password in a URL"),
        ("pull https://bob:p%40ss@reg/x?y=z@a", f"pull https://bob:{MARK}@reg/x?y=z@a", "password in a URL"),
        ("amqp://bob:pa@ss@mq", f"amqp://bob:{MARK}@mq", "password in a URL"),
        ("password=hunter2 user=bob", f"password={MARK} user=bob", "password or token"),
        ("token: abc", f"token: {MARK}", "password or token"),
        ("DB_PASSWORD=a;B=c", f"DB_PASSWORD={MARK};B=c", "password or token"),
        ("AWS_SECRET_ACCESS_KEY = wJalr/K7MD+EX", f"AWS_SECRET_ACCESS_KEY = {MARK}", "password or token"),
        ("spring.datasource.passWord='it is'", f"spring.datasource.passWord='{MARK}'", "password or token"),
        ('{"clientSecret": "a \\" b", "x": 1}', f'{{"clientSecret": "{MARK}", "x": 1}}', "password or token"),
        (
            r'{"log": "{\"api_key\": \"a b\", \"x\": 1}"}',
            rf'{{"log": "{{\"api_key\": \"{MARK}\", \"x\": 1}}"}}',
            "password or token",
        ),
        (":password => 'x'", f":password => '{MARK}'", "password or token"),
        ("?token=abc&next=1", f"?token={MARK}&next=1", "password or token"),
        ("login --password hunter2 --user bob", f"login --password {MARK} --user bob", "password or token"),
        ("x --registry-token 'a b'", f"x --registry-token '{MARK}'", "password or token"),
        ("Pwd=geheim;Uid=sa", f"Pwd={MARK};Uid=sa", "password or token"),
        ("password=/abc/def==", f"password={MARK}", "password or token"),
        ("PA\u017f\u017fWORD=hunter2", f"PA\u017f\u017fWORD={MARK}", "password or token"),
        ("to\u212aen=hunter2", f"to\u212aen={MARK}", "password or token"),
        ("credent\u0131als=hunter2", f"credent\u0131als={MARK}", "password or token"),
        (
            "author\u0131zat\u0131on: bas\u0131c dXNlcjpwYXNz",
            f"author\u0131zat\u0131on: bas\u0131c {MARK}",
            "authorization header",
        ),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_its_name_stays(text: str, said: str, kind: str) -> None:
    assert SHAPES_ONLY.redact(text) == said
    assert kind in SHAPES_ONLY.find(text)
    assert SHAPES_ONLY.redact(said) == said, "hidden once is hidden"
    assert SHAPES_ONLY.find(said) == ()


@pytest.mark.parametrize(
    "text",
    [
        "web-01 is on · 4 CPUs · 10.0.0.7:443",
        "http://registry.lab:5000/web:1.2@sha256:0123456789abcdef",
        "https://example.com/@bob",
        "ssh://git@host/x",
        "PWD=/root OLDPWD=/tmp",
        "tokens: 512, passwords: 3",
        "the token is wrong; the password was changed",
        "bearer of bad news; Bearer authentication failed",
        "authorization: denied",
        "needs `--password`, or a file",
        "xoxb-... begins a bot token",
        "expected -----BEGIN PRIVATE KEY----- in ca.pem",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        '{"password": "", "secret": {"env": "NAME"}, "token": ["a"]}',
        "password: {env: LAB_PASSWORD}, key: {file: key.pem}, token: { file: t }",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert SHAPES_ONLY.redact(text) == text


def test_a_key_without_an_end_hides_no_more_than_a_key_can_be() -> None:
    text = "-----BEGIN PRIVATE KEY-----\n" + "MIIE more text\n" * 3000

    said = SHAPES_ONLY.redact(text)

    assert said.startswith(f"-----BEGIN PRIVATE KEY-----{MARK}")
    assert 16_000 < len(text) - len(said) < 17_000


def test_the_teams_own_patterns_are_hidden_besides() -> None:
    redactor = Redactor((), [r"ACME-[0-9]{4}-[a-z]{2,8}", r"(?i:lic)_([0-9a-f]{8})"])

    said = redactor.redact("ACME-1234-abc LIC_00ff00ff ACME-12 token=x")

    assert said == f"{MARK} {MARK} ACME-12 token={MARK}"
    assert redactor.find("ACME-1234-abc") == ("pattern of sites.yaml",)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("ACME-(", "no regular expression"),
        ("[z-a]{4}", "no regular expression"),
        ("ACME-.+", "write {1,100} for +"),
        ("ACME-[0-9]{1,600}", f"more than {WIDEST}"),
        ("a{0,9}", "fewer than 4"),
        ("...", "fewer than 4"),
        ("(?=x)abcdef", "looks around"),
        ("(?<!x)abcdef", "looks around"),
        (r"(a)bcdef\1", "looks around"),
        ("^abcdef", "looks around"),
        ("(?:abcdef$|b{4})", "looks around"),
        ("(a{1,9}){1,9}bcdef", "too many ways"),
        ("(a|a){1,20}bcdef", "too many ways"),
        ("a{0,99}a{0,99}bcdef", "too many ways"),
        ("(?>(a|a){1,20})bcdef", "too many ways"),
    ],
)
def test_a_pattern_that_cannot_be_kept_within_bounds_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("{", r"\{").replace("+", r"\+")):
        read_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\bsess_[0-9a-f]{8,64}\b", "(?:key|id)-[A-Z]{3}-?[0-9]{4}", "x{4}", "a{4,20}+b", r"(?i)\bacme[0-9]?"],
)
def test_a_pattern_within_bounds_is_taken(pattern: str) -> None:
    assert read_pattern(pattern).width <= WIDEST


# --- time -------------------------------------------------------------------------------------------------

MIB = 1 << 20
LINE = (
    '2026-11-24T14:50:42.1Z level=info msg="GET /health 200" host=web-01 took=12ms path=/v1/x?id=5 note: ok\n'
)
HOSTILE = [
    *("eyJ", "-eyJ", "xoxb-", "token=", "token: ", '"password": "\\', "-----BEGIN PRIVATE KEY-----\n"),
    *(
        "-----BEGIN ",
        "://a:b",
        "://:",
        "a:",
        "--password ",
        "--a-",
        "Bearer a",
        "authorization: ",
        "LS0tLS1C",
    ),
    *(
        "token=[redacted]",
        "AKIA",
        "\\",
        '"',
        " ",
        "\n",
        "a",
        "\x00",
        "é",
        "ACME-",
        "known-sec",
        "a25vd24tc2\n",
    ),
]


@pytest.mark.parametrize("text", [LINE, *HOSTILE])
def test_time_is_proportional_to_length_whatever_the_text(text: str) -> None:
    """Eight times the text in well less than sixty-four times the time: nothing is quadratic, or worse."""
    redactor = Redactor(["known-secret-of-some-length", "other-secret"], [r"ACME-[A-Z]{1,9}-[0-9]{1,9}"])

    def seconds(length: int) -> float:
        whole = (text * (length // len(text) + 1))[:length]
        taken = []
        for _ in range(3):
            begun = time.process_time()
            redactor.redact(whole + " token=x")
            taken.append(time.process_time() - begun)
        return min(taken)

    assert seconds(MIB // 8) < max(0.005, seconds(MIB // 64)) * 32


def test_a_mebibyte_of_log_takes_well_under_a_second_of_the_processor() -> None:
    redactor = Redactor([f"secret-number-{number}" for number in range(100)])
    log = LINE * (MIB // len(LINE)) + "token=x"

    begun = time.process_time()
    redactor.redact(log)

    assert time.process_time() - begun < 1.0


@given(st.text(max_size=300))
def test_any_text_can_be_redacted_and_once_is_enough(text: str) -> None:
    said = SHAPES_ONLY.redact(text)

    assert SHAPES_ONLY.redact(said) == said


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.words])
def test_a_shape_is_looked_for_without_the_letter_that_case_folding_does_not_fold(shape: Shape) -> None:
    assert not any("i" in word for word in shape.words)
    assert all(word == word.casefold() for word in shape.words)


def test_no_built_in_shape_has_to_be_held_back_for_long() -> None:
    assert max(shape.width for shape in SHAPES) < 1000
