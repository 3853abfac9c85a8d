"""Which environment a thing on a site is in: by its folder, its cluster or its tags, else the site's own."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Self

from pydantic import Field, model_validator

from andock.operation import Value


class EnvironmentRule(Value):
    """Sends what is in a folder or a cluster, or bears a tag, to an environment; the first that fits wins.

    On a vCenter that is VMs, hosts, clusters and datastores, each by its own path and its own tags.
    """

    folder: str | None = Field(default=None, description="glob over the inventory path, `*/prod/*`")
    cluster: str | None = Field(
        default=None, description="glob over the cluster's name, `prod-*`; of VMs, of hosts, and of itself"
    )
    tag: str | None = Field(default=None, description="a tag or label as key=value")
    is_: str = Field(alias="is")

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if sum(one is not None for one in (self.folder, self.cluster, self.tag)) != 1:
            raise ValueError("a rule has one of folder, cluster and tag")
        return self

    def fits(self, path: str, labels: Iterable[str], cluster: str) -> bool:
        """Whether the rule speaks of a thing at this path, with these labels, in this cluster."""
        if self.folder is not None:
            return fnmatchcase(path, self.folder)
        if self.cluster is not None:
            return bool(cluster) and fnmatchcase(cluster, self.cluster)
        return self.tag is not None and self.tag in labels


class Site(Value):
    """What a vCenter and an engine have in common."""

    environment: str
    environments: tuple[EnvironmentRule, ...] = ()
    pool: str | None = None

    def environment_of(self, path: str, labels: Iterable[str] = (), cluster: str = "") -> str:
        """The environment of a thing at this inventory path with these tags or labels, in this cluster."""
        if not self.environments:
            return self.environment  # without a look at the labels of each of hundreds of containers
        known = tuple(labels)
        fitting = (rule.is_ for rule in self.environments if rule.fits(path, known, cluster))
        return next(fitting, self.environment)

    @property
    def possible_environments(self) -> tuple[str, ...]:
        """Every environment that something on this site may be in."""
        return tuple(dict.fromkeys((self.environment, *(rule.is_ for rule in self.environments))))
