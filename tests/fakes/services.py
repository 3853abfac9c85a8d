"""Services in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from andock.errors import ConfigError, TargetNotFoundError, UserError
from andock.ports.services import SecretRef, Service


@dataclass
class FakeServices:
    """Implements `Services`."""

    held: dict[str, Service] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)  # by name, what is wrong with the file
    secrets: dict[SecretRef, str] = field(default_factory=dict)

    def hold(self, *services: Service) -> None:
        self.held |= {service.name: service for service in services}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*self.held, *self.broken}))

    def read(self, name: str) -> Service:
        if name in self.broken:
            raise UserError(self.broken[name])
        if name not in self.held:
            raise TargetNotFoundError(
                "service", name, searched=("config/services",), similar=self.names()[:3]
            )
        return self.held[name]

    def secret(self, ref: SecretRef, service: str) -> str:
        if ref not in self.secrets:
            raise ConfigError(f"{ref.name} is not set.", where=f"secret of service {service}", fix="set it.")
        return self.secrets[ref]
