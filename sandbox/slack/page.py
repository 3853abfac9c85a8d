"""A page for people: channels on the left, messages as `?as=` sees them; read-only."""

import html
import time

from sandbox.slack import screen
from sandbox.slack.messages import Message
from sandbox.slack.parts import Parts
from sandbox.slack.wire import ControlError

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0;display:flex;height:100vh;color:#1d1c1d}
nav{background:#3f0e40;color:#fff;padding:1em;min-width:13em}
nav a{color:#e8d9e8;display:block;text-decoration:none}
nav a.here{font-weight:bold;color:#fff} main{flex:1;overflow:auto;padding:1em 1.5em} article{margin:0 0 1em}
article.reply{margin-left:2.5em} article.only{background:#faf7e8} b{margin-right:.5em} small{color:#616061}
pre{font:inherit;white-space:pre-wrap;margin:.1em 0}
"""


def render(parts: Parts, channel: str, viewer: str) -> str:
    """The whole page; it reloads itself every two seconds."""
    rooms = []
    for room in parts.state.channels.values():
        name = f"@{parts.state.users[room.im_user].name}" if room.im_user else f"#{room.name}"
        here = ' class="here"' if room.id == channel else ""
        rooms.append(f'<a{here} href="/?channel={_escape(room.id)}&as={_escape(viewer)}">{_escape(name)}</a>')
    people = []
    for user in parts.state.users.values():
        if not user.is_bot and not user.deleted and user.id != "USLACKBOT":
            here = ' class="here"' if user.id == viewer else ""
            people.append(
                f'<a{here} href="/?channel={_escape(channel)}&as={user.id}">as {_escape(user.name)}</a>'
            )
    try:
        messages = screen.look(parts, channel, viewer)
    except ControlError as refusal:
        body = f"<p>{_escape(refusal.explanation)}</p>"
    else:
        body = (
            "".join(_render_message(parts, m) for m in _thread(messages))
            or "<p>Nothing was said here yet.</p>"
        )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
        f"<title>Sandbox workspace</title><style>{_STYLE}</style>"
        f"<nav>{''.join(rooms)}<hr>{''.join(people)}</nav><main>{body}</main></html>"
    )


def _thread(messages: list[Message]) -> list[Message]:
    """Replies directly under their root."""
    return sorted(messages, key=lambda message: (message.thread_ts or message.ts, message.ts))


def _render_message(parts: Parts, message: Message) -> str:
    shown = screen.describe(parts, message)
    marks = [time.strftime("%H:%M:%S", time.localtime(float(message.ts)))]
    marks += ["(edited)"] if message.edited_ts else []
    marks += [f"only visible to {shown['only_for_name']}"] if message.only_for else []
    marks += [f":{name}:" for name, _ in message.reactions]
    files = "".join(f"<pre>[file] {_escape(str(file['name']))}</pre>" for file in message.files)
    classes = ("reply " if message.thread_ts not in ("", message.ts) else "") + (
        "only" if message.only_for else ""
    )
    head = f"<b>{_escape(str(shown['user_name']))}</b><small>{_escape(' '.join(marks))}</small>"
    return f'<article class="{classes}">{head}<pre>{_escape(str(shown["spoken"]))}</pre>{files}</article>'


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
