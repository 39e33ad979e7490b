"""The assembly: which actor stands where, and whom each is told about.

root  one_for_one
├─ store, control, liveness given by the daemon, first to start and last to stop
├─ alerts, risk
├─ venues  bulkhead ─▶ <venue> one_for_one
│              ├─ box               an embedded exchange, where one is configured
│              ├─ paper             another one, whose prices are those of a real venue
│              ├─ public rest_for_one ─▶ capture (where it is on), feed
│              └─ accounts bulkhead ─▶ <user> rest_for_one ─▶ line, stream, orders, reconcile
├─ users   bulkhead ─▶ <user> bulkhead ─▶ vaults bulkhead ─▶ <venue>-<asset> rest_for_one
│                                             └─▶ ledger, guard, sleeves one_for_one ─▶ <name>…
└─ monitors          where something is watched: funding, arbitrage
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from actors import wiring
from actors.alerts import Alerts
from actors.doors import BoxPort, Door, derivative_terms, endpoints_of
from actors.execution.keys import Keys, MissingKeyError, StoredKey
from actors.execution.limits import VenueBudget
from actors.execution.line import Line
from actors.execution.orders import Orders
from actors.execution.reconcile import Reconcile
from actors.execution.stream import PrivateStream
from actors.execution.translate import Scales
from actors.feeds.capture import Capture, Tape
from actors.feeds.segments import FORMAT, Head
from actors.feeds.stream import MarketFeed
from actors.feeds.watchers import monitors
from actors.guard import Guard
from actors.ledger import Ledger
from actors.paper import PaperPlace, PaperPort
from actors.risk.gate import Risk
from actors.sleeves.sleeve import Sleeve
from actors.wiring import ALERTS, RISK, Wiring
from exchanges.types import Credentials
from messages.market import topic
from messages.settings import (
    KEYLESS,
    PAPER_BALANCE,
    WITH_PASSPHRASE,
    BoxSettings,
    CaptureSettings,
    Environment,
    Protocol,
    RateTier,
    SleeveSettings,
    TreeSettings,
    VaultSettings,
    VenueSettings,
)
from supervisor.clock import Clock
from supervisor.spec import AutoShutdown, ChildSpec, Isolation, Poison, Strategy, SupervisorSpec
from supervisor.system import STORE_TOPIC
from venue.keys import account_passphrase, key_for

# A passing fault is tried again at once, poison is set aside at its second crash: five restarts in
# ten seconds are a part that is broken, not a message.
INTENSITY = 5
NANOSECONDS_PER_MS = 1_000_000
PERIOD_NS = 10 * 1_000_000_000
# Requests per second, and at once. Kraken counts orders apart from reads and far more generously;
# of reads its tiers allow an account 15 or 20, and forget one every one to three seconds. Two are
# left for what is not the line's: the private stream's tokens.
# KuCoin allows 4 000 of weight in 30 s, where an order costs 1; Coinbase 30 requests a second.
# Binance allows 100 orders in ten seconds and 6 000 of weight a minute, Binance.US 1 200; a read of
# history costs 20. Bybit allows an account 20 spot orders a second.
# OKX counts each endpoint by itself, the scarcest of those used at 5 a second.
BUDGETS = {
    Protocol.KRAKEN: (5.0, 15),
    Protocol.KUCOIN: (10.0, 30),
    Protocol.COINBASE: (10.0, 20),
    Protocol.BINANCE: (5.0, 15),
    Protocol.BINANCE_US: (5.0, 15),
    Protocol.BINANCE_USDM: (5.0, 15),
    Protocol.BYBIT: (5.0, 15),
    Protocol.OKX: (10.0, 20),
}
READ_BUDGETS = {
    RateTier.STARTER: (0.33, 13),
    RateTier.INTERMEDIATE: (0.5, 18),
    RateTier.PRO: (1.0, 18),
    RateTier.NONE: (50.0, 100),
}

logger = logging.getLogger("actors")

_supervisor = partial(SupervisorSpec, intensity=INTENSITY, period_ns=PERIOD_NS)


def build(
    settings: TreeSettings,
    folder: Path,
    clock: Clock,
    front: tuple[ChildSpec, ...],
    *,
    stored: tuple[StoredKey, ...] = (),
    credentials_folder: Path | None = None,
) -> SupervisorSpec:
    """Return the whole tree for `settings`; `front` starts first. `folder` holds embedded boxes.

    Accounts of venues that are no simulation trade with `stored` keys, or systemd's. Raises
    `MissingKeyError` if none of them has one: nothing could be traded.
    """
    return Assembler(stored, credentials_folder)(settings, folder, clock, front)


class Assembler:
    """Builds the specs of one process's tree, one after another as the roster changes.

    What ports share (where a venue is, its budgets, keys) is the same in all of them, so a port may
    be started by a newer spec beside others that run by an older one. Venues, assets and accounts
    must stay the same.
    """

    def __init__(
        self, stored: tuple[StoredKey, ...] = (), credentials_folder: Path | None = None
    ) -> None:
        self._stored = stored
        self._credentials_folder = credentials_folder
        self._assembly: _Assembly | None = None

    def __call__(
        self, settings: TreeSettings, folder: Path, clock: Clock, front: tuple[ChildSpec, ...]
    ) -> SupervisorSpec:
        """Return the whole tree for `settings`; raises as `build` does."""
        if self._assembly is None:
            self._assembly = _Assembly(
                settings, folder, clock, self._stored, self._credentials_folder
            )
            self._assembly.check_keys()
        else:
            self._assembly.renew(settings)
        return self._assembly.root(front)


class _Assembly:
    def __init__(
        self,
        settings: TreeSettings,
        folder: Path,
        clock: Clock,
        stored: tuple[StoredKey, ...],
        credentials_folder: Path | None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._scales = Scales(settings.assets)
        self._wiring = Wiring(settings, self._scales.of)
        self._keys = Keys(
            self._generated_keys(),
            credentials_folder,
            stored,
            {name: venue.environment.value for name, venue in settings.venues.items()},
            {name for name, venue in settings.venues.items() if venue.protocol in WITH_PASSPHRASE},
        )
        self._doors: dict[str, Door] = {}
        self._desks: dict[str, Door] = {}
        """Where orders go that are filled on paper, while `_doors` lead to the prices."""
        self._tapes: dict[str, Tape] = {}
        self._budgets: dict[str, VenueBudget] = {}
        self._reads: dict[tuple[str, str], VenueBudget] = {}

    def renew(self, settings: TreeSettings) -> None:
        """Build by other settings from here on."""
        before = self._settings
        assert (settings.venues, settings.assets) == (before.venues, before.assets)
        self._settings = settings
        self._wiring = Wiring(settings, self._scales.of)

    def check_keys(self) -> None:
        """Log which accounts have no key; raise if that is all of those that need one."""
        missing: list[MissingKeyError] = []
        found = 0
        for name, venue in self._settings.venues.items():
            for user in self._wiring.users_at(name):
                if venue.environment in KEYLESS:
                    continue
                try:
                    self._keys.credentials(user, name)
                    found += 1
                except MissingKeyError as error:
                    missing.append(error)
        for problem in missing:
            logger.error("%s; that account trades nothing", problem)
        if missing and not found:
            raise missing[0]

    def root(self, front: tuple[ChildSpec, ...]) -> SupervisorSpec:
        venues = tuple(self._venue(name, each) for name, each in self._settings.venues.items())
        users = tuple(self._user(user.name) for user in self._settings.roster.users)
        risk = ChildSpec(
            name="risk",
            start=Risk,
            configuration=self._wiring.risk(),
            topics=(STORE_TOPIC,),
            poison=Poison.BLOCK,
            monitored_by=self._wiring.guards(),
        )
        return _supervisor(
            name="",
            auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
            children=(
                *front,
                ChildSpec(name="alerts", start=Alerts),
                risk,
                _supervisor(name="venues", bulkhead=True, children=venues),
                _supervisor(name="users", bulkhead=True, children=users),
                *monitors(self._settings, self._wiring, self._clock),
            ),
        )

    # --- venues

    def _venue(self, name: str, venue: VenueSettings) -> SupervisorSpec:
        door = self._doors.get(name)
        if door is None:
            proxy = venue.proxy if venue.box is None else ""
            known = endpoints_of(venue)
            door = Door(venue.protocol.value, known, self._clock, proxy, venue.symbols)
            self._doors[name] = door
        children: list[ChildSpec | SupervisorSpec] = []
        desk = door
        if venue.box is not None:
            children.append(ChildSpec(name="box", start=self._box(name, venue.box, door)))
        elif venue.environment is Environment.PAPER:
            own = Door(venue.protocol.value, None, self._clock, symbols=venue.symbols)
            desk = self._desks.setdefault(name, own)
            children.append(ChildSpec(name="paper", start=self._paper(name, door, desk)))
        tape = None
        market: list[ChildSpec] = []
        if venue.capture is not None:
            tape = self._tapes.setdefault(name, Tape(self._clock))
            market.append(self._capture(name, venue, venue.capture, tape))
        feed = partial(
            MarketFeed,
            venue=name,
            symbols=venue.symbols,
            open_public=door.opener(on_frame=tape.frame if tape is not None else None),
            scales=self._scales,
            listeners=self._wiring.listeners(name),
            alerts=ALERTS,
            merged=venue.merged,
        )
        public = _supervisor(
            name="public",
            strategy=Strategy.REST_FOR_ONE,
            children=(*market, ChildSpec(name="feed", start=feed)),
        )
        budget = self._budgets.setdefault(name, VenueBudget(*BUDGETS[venue.protocol]))
        accounts = _supervisor(
            name="accounts",
            bulkhead=True,
            children=tuple(
                self._account(name, user, desk, budget, _rate_tier(venue))
                for user in self._wiring.users_at(name)
            ),
        )
        return _supervisor(name=name, children=(*children, public, accounts))

    def _box(self, name: str, box: BoxSettings, door: Door) -> Callable[[], BoxPort]:
        from venue.settings import box_config  # noqa: PLC0415 - numba, see BoxPort

        config = box_config(
            name,
            box,
            self._wiring.users_at(name),
            data_file=self._folder / f"{name}.db",
            protocol=self._settings.venues[name].protocol.value,
        )
        return partial(BoxPort, config, self._clock, door)

    def _paper(self, name: str, door: Door, desk: Door) -> Callable[[], PaperPort]:
        venue = self._settings.venues[name]
        vaults = [each for each in self._settings.roster.vaults if each.venue == name]
        place = PaperPlace(
            name=name,
            protocol=venue.protocol.value,
            symbols=venue.symbols,
            users=self._wiring.users_at(name),
            settings=venue.paper,
            balances={vault.asset: PAPER_BALANCE for vault in vaults} | venue.paper.balances,
            seed=venue.seed,
            data_file=self._folder / f"{name}.db",
        )
        return partial(PaperPort, place, door.opener(), self._clock, desk)

    def _capture(
        self, name: str, venue: VenueSettings, settings: CaptureSettings, tape: Tape
    ) -> ChildSpec:
        folder = self._folder / "capture" / name
        protocol = venue.protocol.value
        head = Head(format=FORMAT, venue=name, protocol=protocol, symbols=venue.symbols, began_ns=0)
        return ChildSpec(
            name="capture", start=partial(Capture, head, tape, folder, settings, ALERTS)
        )

    def _account(
        self, venue: str, user: str, door: Door, budget: VenueBudget, tier: RateTier
    ) -> SupervisorSpec:
        at, settings = wiring.account_address(venue, user), self._settings.venues[venue]
        credentials: Callable[[], Credentials] = partial(self._keys.credentials, user, venue)
        configuration = self._wiring.account(venue, user)
        new_reads = VenueBudget(*READ_BUDGETS[tier], kept=0)
        reads = self._reads.setdefault((venue, user), new_reads)
        line = partial(
            Line,
            RISK,
            door.opener(credentials, settings.order_entry),
            self._scales,
            budget,
            reads,
            symbols=settings.symbols,
            derivatives=derivative_terms(settings),
        )
        stream = partial(
            PrivateStream,
            orders=f"{at}/orders",
            reconcile=f"{at}/reconcile",
            alerts=ALERTS,
            open_private=door.opener(credentials),
            scales=self._scales,
        )
        return _supervisor(
            name=user,
            strategy=Strategy.REST_FOR_ONE,
            children=(
                ChildSpec(name="line", start=line),
                ChildSpec(name="stream", start=stream),
                ChildSpec(
                    name="orders",
                    start=Orders,
                    configuration=configuration,
                    poison=Poison.BLOCK,
                    monitored_by=(RISK,),
                ),
                ChildSpec(name="reconcile", start=Reconcile, configuration=configuration),
            ),
        )

    # --- users

    def _user(self, user: str) -> SupervisorSpec:
        vaults = tuple(
            self._vault(vault) for vault in self._settings.roster.vaults if vault.user == user
        )
        return _supervisor(
            name=user,
            bulkhead=True,
            children=(_supervisor(name="vaults", bulkhead=True, children=vaults),),
        )

    def _vault(self, vault: VaultSettings) -> SupervisorSpec:
        at = wiring.vault_address(vault)
        configuration = self._wiring.vault(vault)
        symbols = tuple(dict.fromkeys(s for sleeve in vault.sleeves for s in sleeve.symbols))
        tops = tuple(topic(vault.venue, symbol, "top") for symbol in symbols)
        trusts = tuple(topic(vault.venue, symbol, "trust") for symbol in symbols)
        ledger = ChildSpec(
            name="ledger",
            start=Ledger,
            configuration=configuration,
            topics=tops,
            poison=Poison.BLOCK,
            monitored_by=(RISK, f"{at}/guard"),
        )
        guard = ChildSpec(
            name="guard", start=Guard, configuration=configuration, topics=(*tops, *trusts)
        )
        sleeves = _supervisor(
            name="sleeves", children=tuple(self._sleeve(vault, each) for each in vault.sleeves)
        )
        return _supervisor(
            name=vault.name, strategy=Strategy.REST_FOR_ONE, children=(ledger, guard, sleeves)
        )

    def _sleeve(self, vault: VaultSettings, sleeve: SleeveSettings) -> ChildSpec:
        return ChildSpec(
            name=sleeve.name,
            start=Sleeve,
            configuration=self._wiring.sleeve(vault, sleeve),
            isolation=Isolation(sleeve.isolation.value),
            step_budget_ns=sleeve.step_budget_ms * NANOSECONDS_PER_MS,
            # What it would do about the time that has passed rests on books that were compared.
            timers_after=f"{wiring.account_address(vault.venue, vault.user)}/reconcile",
            topics=tuple(
                topic(vault.venue, symbol, kind)
                for symbol in sleeve.symbols
                for kind in ("trust", "top", "candles")
            ),
        )

    def _generated_keys(self) -> dict[tuple[str, str], Credentials]:
        """Return the keys of accounts at boxes, embedded or standing alone."""
        return {
            (user, name): self._generated_key(venue, name, user)
            for name, venue in self._settings.venues.items()
            for user in self._wiring.users_at(name)
            if venue.environment in KEYLESS
        }

    @staticmethod
    def _generated_key(venue: VenueSettings, name: str, user: str) -> Credentials:
        seed = venue.box.seed if venue.box is not None else venue.seed
        key = key_for(venue.protocol.value, name, user, seed)
        return Credentials(*key, account_passphrase(name, user, seed))


def _rate_tier(venue: VenueSettings) -> RateTier:
    if venue.environment is Environment.PAPER:
        return RateTier.NONE
    return venue.box.rate_tier if venue.box is not None else venue.rate_tier
