"""files.*: the three-step upload (ask for a URL, send the bytes, share)."""

import secrets
import time
from dataclasses import replace

from aiohttp import web

from sandbox.slack.content import read_content
from sandbox.slack.messages import Message, Upload
from sandbox.slack.parts import Parts
from sandbox.slack.rates import TIER_4
from sandbox.slack.webapi.method import Args, Method
from sandbox.slack.wire import ApiError, Json

MAX_SNIPPET = 1_000_000


async def get_upload_url(parts: Parts, args: Args) -> Json:
    """files.getUploadURLExternal."""
    length = args.integer("length", 0)
    if length < 1:
        raise ApiError("missing_argument", "[ERROR] missing required field: length")
    if args.string("snippet_type") and length > MAX_SNIPPET:
        raise ApiError("snippet_too_large")
    upload = Upload(
        parts.state.new_id("F"), args.string("filename"), length, snippet_type=args.string("snippet_type")
    )
    parts.state.uploads[upload.id] = upload
    # The id alone must not be enough to write into somebody's upload.
    url = f"{parts.identity.base_url}/upload/v1/{secrets.token_urlsafe(18)}.{upload.id}"
    return {"ok": True, "upload_url": url, "file_id": upload.id}


async def receive_bytes(parts: Parts, request: web.Request) -> web.Response:
    """The upload URL: raw bytes, or the one file of a multipart form."""
    upload = parts.state.uploads.get(request.match_info["name"].rpartition(".")[2])
    if upload is None or upload.shared:
        return web.Response(status=404, text="no such upload")
    if request.content_type == "multipart/form-data":
        form = await request.post()
        part = next((value for value in form.values() if isinstance(value, web.FileField)), None)
        content = part.file.read() if part else b""
    else:
        content = await request.read()
    if len(content) != upload.length:
        return web.Response(status=400, text=f"expected {upload.length} bytes, got {len(content)}")
    parts.state.uploads[upload.id] = replace(upload, content=content)
    return web.Response(text=f"OK - {len(content)}")


async def complete_upload(parts: Parts, args: Args) -> Json:
    """files.completeUploadExternal: without a channel the file stays private to the app."""
    entries = args.structure("files")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ApiError("invalid_arguments", "[ERROR] must be an array of objects [json-pointer:/files]")
    uploads = [_finish(parts, entry) for entry in entries]
    names = [name for name in (args.string("channel_id") or args.string("channels")).split(",") if name]
    targets = [_find_target(parts, name) for name in names]
    content = read_content({"text": args.raw.get("initial_comment") or None}, truncate=True)
    created = int(time.time())
    shared = []
    for upload in uploads:
        done = replace(upload, shared=True, channels=tuple(targets))
        parts.state.uploads[done.id] = done
        shared.append(done.describe(parts.identity.base_url, parts.identity.bot_user, created))
    for target in targets:
        message = Message(
            channel=target,
            ts=parts.state.stamp(),
            user=parts.identity.bot_user,
            text=content.text or "",
            team=parts.identity.team_id,
            bot_id=parts.identity.bot_id,
            app_id=parts.identity.app_id,
            thread_ts=args.string("thread_ts"),
            files=tuple(shared),
        )
        parts.state.add(message)
        parts.announcer.posted(message)
    return {"ok": True, "files": shared}


async def info(parts: Parts, args: Args) -> Json:
    """files.info."""
    upload = parts.state.uploads.get(args.string("file"))
    if upload is None or not upload.shared:
        raise ApiError("file_not_found")
    return {
        "ok": True,
        "file": upload.describe(parts.identity.base_url, parts.identity.bot_user, int(time.time())),
    }


async def send_bytes(parts: Parts, request: web.Request) -> web.Response:
    """A private download URL: needs the bot's token, as in Slack."""
    upload = parts.state.uploads.get(request.match_info["file"])
    if request.headers.get("Authorization") != f"Bearer {parts.identity.bot_token}":
        return web.Response(status=403, text="token required")
    if upload is None or upload.content is None:
        return web.Response(status=404, text="no such file")
    return web.Response(body=upload.content, content_type="application/octet-stream")


def _finish(parts: Parts, entry: Json) -> Upload:
    upload = parts.state.uploads.get(str(entry.get("id")))
    if upload is None or upload.content is None or upload.shared:
        raise ApiError("file_not_found")
    return replace(upload, title=str(entry.get("title") or upload.name))


def _find_target(parts: Parts, name: str) -> str:
    """Only real channel ids: unlike chat.postMessage this method takes no user id and no `#name`."""
    channel = parts.state.channels.get(name)
    member = channel is not None and parts.identity.bot_user in channel.members
    if channel is None or (channel.is_private and not member):
        raise ApiError("channel_not_found")
    if not member:
        raise ApiError("not_in_channel")
    return channel.id


_WRITE = ("files:write",)
METHODS = (
    Method(
        "files.getUploadURLExternal", get_upload_url, ("filename", "length"), TIER_4, _WRITE, takes_json=False
    ),
    Method("files.completeUploadExternal", complete_upload, ("files",), TIER_4, _WRITE),
    Method("files.info", info, ("file",), TIER_4, ("files:read",), takes_json=False),
)
