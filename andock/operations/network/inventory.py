"""`network list` and `network info`."""

from __future__ import annotations

from pydantic import Field

from andock.naming import count, engine_key, list_names, pick, reached, short_id, tell_away
from andock.operation import Backend, Found, Outcome, Params, Read, Reader, Table, Target
from andock.ports.networks import NetworkRow

NAMING = "Name, `engine/name`, or 12 or more digits of its id."


class ListParams(Params):
    """What `network list` takes."""

    name: str | None = Field(
        default=None,
        max_length=200,
        description="Only names with this in them.",
        json_schema_extra={"positional": True},
    )


class InfoParams(Params):
    """What `network info` takes."""

    network: str = Field(min_length=1, max_length=300, description=NAMING)


def target_of(row: NetworkRow) -> Target:
    """What policy judges."""
    return Target(
        kind="network",
        site=row.site,
        id=row.id,
        name=row.name,
        environment=row.environment,
        labels=tuple(f"{key}={value}" for key, value in sorted(row.labels.items())),
        parents=(engine_key(row.site),),
    )


def find_listed(params: ListParams, ctx: Reader) -> Found[NetworkRow]:
    """Every network whose name fits."""
    listing = reached(ctx.containers.list_networks(ctx.site))
    wanted = (params.name or "").lower()
    rows = [row for row in listing.rows if wanted in row.name.lower()]
    like = f" like `{params.name}`" if params.name else ""
    return Found(
        rows=tuple((target_of(row), row) for row in rows),
        notes=tell_away(listing),
        empty=f"No network{like} on {', '.join(listing.searched)}.",
    )


def show_list(_params: ListParams, _ctx: Reader, found: Found[NetworkRow]) -> Outcome:
    """One line a network."""
    rows = [row for _, row in found.rows]
    engines = count(len({row.site for row in rows}), "engine")
    return Outcome(
        summary=f"{count(len(rows), 'network')} on {engines}.",
        table=Table(
            columns=("name", "driver", "subnets", "containers", "engine", "environment"),
            rows=tuple(
                (
                    row.name,
                    row.driver + (", internal" if row.internal else ""),
                    ", ".join(subnet.partition(" by ")[0] for subnet in row.subnets),
                    str(len(row.used_by)) if row.used_by else "",
                    row.site,
                    row.environment,
                )
                for row in rows
            ),
        ),
        notes=found.notes,
    )


def find_one(params: InfoParams, ctx: Reader) -> Found[NetworkRow]:
    """The one network of that name."""
    listing = reached(ctx.containers.list_networks(ctx.site))
    row = pick("network", params.network, listing, lambda row: (row.name,))
    return Found(rows=((target_of(row), row),), notes=tell_away(listing))


def show_info(_params: InfoParams, ctx: Reader, found: Found[NetworkRow]) -> Outcome:
    """What the engine knows of it, and who is in it."""
    row = found.rows[0][1]
    network = ctx.containers.read_network(row.site, row.id)
    there = {name for name, _ in network.addresses}
    waiting = [use.name for use in network.used_by if use.name not in there]
    fields = (
        ("Environment", network.environment),
        ("Id", short_id(network.id)),
        ("Driver", f"{network.driver}, scope {network.scope or 'local'}"),
        ("Subnets", ", ".join(network.subnets)),
        ("Made", network.made_at.strftime("%Y-%m-%d %H:%M:%S UTC") if network.made_at else ""),
        ("Ways", _ways(network.internal, network.ipv6, network.attachable)),
        ("In it", ", ".join(f"{name} {address}".strip() for name, address in network.addresses)),
        ("Stopped", list_names(waiting)),
        ("Options", ", ".join(network.options)),
        ("Labels", str(len(network.labels)) if network.labels else ""),
    )
    return Outcome(
        summary=f"Network `{network.name}` on {network.site}: "
        f"{count(len(network.addresses), 'container')} in it.",
        fields=tuple((label, value) for label, value in fields if value),
        notes=found.notes,
    )


def _ways(internal: bool, ipv6: bool, attachable: bool) -> str:
    said = ["no way out" if internal else "a way out"]
    said += ["IPv6"] if ipv6 else []
    said += ["services and containers may join"] if attachable else []
    return ", ".join(said)


NETWORK_LIST = Read(
    name="network list",
    summary="The networks of one engine or of all.",
    params=ListParams,
    backend=Backend.DOCKER,
    find=find_listed,
    run=show_list,
    many=True,
    examples=("network list", "network list shop --site edge-1"),
)

NETWORK_INFO = Read(
    name="network info",
    summary="One network: driver, subnets, and the containers in it with their addresses.",
    params=InfoParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_info,
    examples=("network info shop", "network info edge-1/bridge"),
)
