from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from andock.operation import Offer, Outcome, Table
from andock.rendering.message import Rendered
from andock.rendering.outcome import render_outcome
from andock.rendering.text import render_text

Check = Callable[[Rendered], None]

NASTY = st.sampled_from(
    ["```", "`", "<!channel>", "<@U1|x>", "&amp;", "&" * 50, "\x1b[31mred\x1b[0m", "日本語",
     "🚀" * 9, "a" * 300, "\r\n", "*_~", ""]
)  # fmt: skip
LONG = st.builds(
    lambda part, times: part * times, st.text(min_size=1, max_size=12) | NASTY, st.integers(1, 300)
)
TEXT = st.text(max_size=60) | NASTY | LONG
ROWS = st.lists(st.lists(TEXT, max_size=5).map(tuple), max_size=6)
OUTCOMES = st.builds(
    Outcome,
    summary=TEXT,
    fields=st.lists(st.tuples(TEXT, TEXT), max_size=35).map(tuple),
    table=st.none()
    | st.builds(
        lambda columns, rows, times: Table(columns=tuple(columns), rows=tuple(rows * times)),
        st.lists(TEXT, max_size=4),
        ROWS,
        st.integers(1, 20),
    ),
    text=TEXT,
    notes=st.lists(TEXT, max_size=14).map(tuple),
    offers=st.lists(st.builds(Offer, label=TEXT, command=TEXT, danger=st.booleans()), max_size=14).map(tuple),
)


# no shrinking: these values are large, and a smaller one takes minutes to find
@settings(
    max_examples=100,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
@given(OUTCOMES)
def test_any_outcome_is_within_slacks_limits(within_limits: Check, outcome: Outcome) -> None:
    within_limits(render_outcome(outcome))
    assert "\x1b" not in render_text(outcome)


def texts(rendered: Rendered) -> str:
    return "\n".join(block["text"]["text"] for block in rendered.message.blocks if "text" in block)


def test_summary_fields_notes_and_offers(within_limits: Check) -> None:
    rendered = render_outcome(
        Outcome(
            summary="`web-01` is <on>",
            fields=(("Host", "esx-1 & esx-2"), ("IP", "")),
            notes=("site `lab` did not answer",),
            offers=(
                Offer(label="Restart", command="vm restart web-01", danger=True),
                Offer(label="Info", command="vm info web-01"),
            ),
        )
    )  # fmt: skip
    within_limits(rendered)
    kinds = [block["type"] for block in rendered.message.blocks]
    assert kinds == ["section", "section", "context", "actions"]
    assert rendered.message.blocks[0]["text"]["text"] == "`web-01` is &lt;on&gt;"
    fields = rendered.message.blocks[1]["fields"]
    assert [field["text"] for field in fields] == ["*Host*\nesx-1 &amp; esx-2", "*IP*\n–"]  # noqa: RUF001
    restart, info = rendered.message.blocks[3]["elements"]
    assert restart["value"] == "vm restart web-01"
    assert restart["style"] == "danger"
    assert "vm restart web-01" in restart["confirm"]["text"]["text"]
    assert (restart["action_id"], info["action_id"]) == ("andock.command:0", "andock.command:1")
    assert "style" not in info
    assert "Host: esx-1 &amp; esx-2" in rendered.message.text
    assert rendered.file is None


def test_a_table_is_aligned_in_a_fixed_font() -> None:
    table = Table(columns=("name", "power"), rows=(("web-01", "on"), ("日本", "off"), ("a\nb", "on")))
    rendered = render_outcome(Outcome(summary="3 VMs", table=table))
    assert "```\nname    power\nweb-01  on\n日本    off\na b     on\n```" in texts(rendered)


def test_a_long_table_says_how_many_more_and_gives_them_as_a_file(within_limits: Check) -> None:
    rows = tuple((f"web-{number:04}", "on", "/DC0/vm/prod") for number in range(600))
    rendered = render_outcome(
        Outcome(summary="600 VMs", table=Table(columns=("name", "power", "folder"), rows=rows))
    )
    within_limits(rendered)
    shown = texts(rendered).count("web-")
    assert 100 < shown < 600
    said = rendered.message.blocks[-1]["elements"][0]["text"]
    assert said == f"… {600 - shown} more: narrow the name, or see the file."
    assert rendered.file is not None
    assert rendered.file.content.count("web-") == 600


def test_short_text_is_shown_whole() -> None:
    rendered = render_outcome(Outcome(summary="logs", text="one\ntwo <3 ```x```\n"))
    assert "```\none\ntwo &lt;3 \u02cb\u02cb\u02cbx\u02cb\u02cb\u02cb\n```" in texts(rendered)
    assert rendered.file is None


def test_long_text_shows_its_ends_and_is_a_file(within_limits: Check) -> None:
    lines = "\n".join(f"line {number:05}" for number in range(2000))
    rendered = render_outcome(Outcome(summary="logs", text=lines, filename="web-01.log"))
    within_limits(rendered)
    shown = texts(rendered)
    assert "line 00000" in shown
    assert "line 01999" in shown
    assert "line 01000" not in shown
    count = shown.count("line ")
    assert f"… {2000 - count} lines more, all in `web-01.log` …" in str(rendered.message.blocks)
    assert rendered.file is not None
    assert (rendered.file.name, rendered.file.content) == ("web-01.log", lines)


def test_one_endless_line_is_a_file_too(within_limits: Check) -> None:
    rendered = render_outcome(Outcome(summary="logs", text="x" * 50_000))
    within_limits(rendered)
    assert rendered.file is not None
    assert "xxxx" in texts(rendered)


def test_a_command_too_long_for_a_button_is_left_out_and_never_cut(within_limits: Check) -> None:
    offers = (Offer(label="Long", command="vm info " + "x" * 2000), Offer(label="Short", command="vm list"))
    rendered = render_outcome(Outcome(summary="x", offers=offers))
    within_limits(rendered)
    (button,) = rendered.message.blocks[-1]["elements"]
    assert button["value"] == "vm list"


def test_plain_text_for_the_terminal() -> None:
    outcome = Outcome(
        summary="2 VMs",
        fields=(("Site", "lab"),),
        table=Table(columns=("name", "power"), rows=(("web-01", "on"),)),
        text="\x1b[31mred\x1b[0m\x07 line",
        notes=("a note",),
        offers=(Offer(label="More", command="vm info web-01"),),
    )
    assert render_text(outcome) == (
        "2 VMs\n\nSite: lab\n\nname    power\nweb-01  on\n\nred line\n\na note\n\nMore: vm info web-01"
    )
