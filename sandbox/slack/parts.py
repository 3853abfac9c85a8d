"""What a running workspace is made of; built once by the server and handed to every handler."""

from dataclasses import dataclass, field

from sandbox.slack.announcements import Announcer
from sandbox.slack.delivery import Courier
from sandbox.slack.faults import Faults
from sandbox.slack.hooks import Hooks
from sandbox.slack.journal import Journal
from sandbox.slack.modals import Modals
from sandbox.slack.rates import Rates
from sandbox.slack.sockets import Sockets
from sandbox.slack.wire import Identity
from sandbox.slack.workspace import WorkspaceState


@dataclass
class App:
    """How the app is configured in this workspace, as its manifest would say it."""

    # Command -> should_escape: whether typed names arrive as ids.
    commands: dict[str, bool]
    # None stands for every scope that there is.
    scopes: frozenset[str] | None = None
    token_problem: str = ""


@dataclass
class Parts:
    """The parts, by name."""

    identity: Identity
    app: App
    state: WorkspaceState
    rates: Rates = field(default_factory=Rates)
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    modals: Modals = field(default_factory=Modals)
    sockets: Sockets = field(init=False)
    courier: Courier = field(init=False)
    announcer: Announcer = field(init=False)
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        """Connect the parts that need each other."""
        self.sockets = Sockets(self.identity, self.state.touch)
        self.courier = Courier(self.identity, self.sockets)
        self.announcer = Announcer(self.state, self.courier)
        self.hooks = Hooks(self.state, self.announcer)
