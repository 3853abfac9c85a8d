"""Docker engines and registries: their ports over the Docker SDK, which is imported nowhere else."""

from workers.containers.client import DockerContainers
from workers.containers.engines import Engines
from workers.containers.registry import HttpRegistry

__all__ = ["DockerContainers", "Engines", "HttpRegistry"]
