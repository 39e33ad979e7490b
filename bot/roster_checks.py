"""What a configuration's parts demand of each other: vaults, their users, venues and sleeves."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.books import is_contract
from actors.vault import MANUAL
from bot.checking import Checker, nearest
from bot.toml_lines import KeyPath
from exchanges.capabilities import CAPABILITIES, Support, capabilities_of
from messages.money import Direction
from messages.settings import (
    Environment,
    MarketSettings,
    OrderEntry,
    PaperSettings,
    Protocol,
    RiskSettings,
    SleeveSettings,
    VaultSettings,
    VenueSettings,
)

if TYPE_CHECKING:
    from bot.config import Config


def check_roster(checker: Checker, document: dict[str, Any], config: "Config | None") -> None:
    """Note what does not fit together in those parts of the configuration that are right."""
    if config is None:
        return
    for name, venue in config.venues.items():
        _check_venue(checker, ("venues", name), venue)
        _check_symbols(checker, ("venues", name), venue)
        _check_environment(checker, name, venue)
        _check_order_entry(checker, ("venues", name), venue)
    live = [n for n, venue in config.venues.items() if venue.environment is Environment.LIVE]
    if live and not config.live:
        text = (
            f"is missing: {', '.join(live)} would trade with real money; write `live = true` above "
            "the first [table] if that is what you want"
        )
        checker.add(("live",), text)
    # A venue that is wrong in itself is still there: it is not missed a second time.
    venue_names = list(document["venues"])
    first_run = document.get("first_run")
    users = first_run.get("users") if isinstance(first_run, dict) else None
    user_names = [
        str(user.get("name"))
        for user in (users if isinstance(users, list) else [])
        if isinstance(user, dict)
    ]
    _check_first_run(checker, config, user_names, venue_names)


def _check_first_run(
    checker: Checker, config: "Config", users: list[str], venues: list[str]
) -> None:
    roster = config.first_run
    _check_unique(checker, ("first_run", "users"), [user.name for user in roster.users])
    if not _is_complete(checker, ("first_run", "vaults")):
        return
    names = [f"{vault.user}/{vault.name}" for vault in roster.vaults]
    _check_unique(checker, ("first_run", "vaults"), names)
    for at, vault in enumerate(roster.vaults):
        path: KeyPath = ("first_run", "vaults", at)
        if vault.user not in users:
            hint = nearest(vault.user, users)
            text = f'was "{vault.user}", allowed is one of the users ({", ".join(users)}){hint}'
            checker.add((*path, "user"), text)
        if vault.venue not in venues:
            hint = nearest(vault.venue, venues)
            text = f'was "{vault.venue}", allowed is one of the venues ({", ".join(venues)}){hint}'
            checker.add((*path, "venue"), text)
        _check_limits(checker, path, vault, config.limits)
        _check_sleeves(checker, path, vault, config.venues.get(vault.venue))


def _is_complete(checker: Checker, path: KeyPath) -> bool:
    """Return whether nothing below `path` was left out, so that numbers are those of the file."""
    return not any(problem.path[: len(path)] == path for problem in checker.problems)


def _check_unique(checker: Checker, path: KeyPath, names: Sequence[str]) -> None:
    for at, name in enumerate(names):
        if name in names[:at]:
            checker.add((*path, at), f"{name} is there twice: rename or remove one")


def _check_symbols(checker: Checker, path: KeyPath, venue: VenueSettings) -> None:
    """Note symbols of a kind that the venue does not have."""
    perpetuals = venue.protocol is Protocol.BINANCE_USDM
    for symbol in venue.symbols:
        if is_contract(symbol) != perpetuals:
            quote = quote_of(symbol)
            kind = f'perpetuals, like "{symbol}:{quote}"' if perpetuals else "spot pairs"
            text = f'"{symbol}": {venue.protocol.value} has {kind} only'
            checker.add((*path, "symbols"), text)


def _check_environment(checker: Checker, name: str, venue: VenueSettings) -> None:
    """Note an environment that the venue does not have, or that its name does not say."""
    environment = venue.environment.value
    path: KeyPath = ("venues", name, "environment")
    if not name.endswith(f"-{environment}"):
        text = (
            f'is "{environment}", and the venue is named "{name}": call it [venues.'
            f"{name.rsplit('-', 1)[0]}-{environment}], so that nobody takes it for another"
        )
        checker.add(path, text)
    if venue.paper != PaperSettings() and venue.environment is not Environment.PAPER:
        text = f'remove it: the venue is "{environment}", only one of "paper" has paper money'
        checker.add(("venues", name, "paper"), text)
    if venue.environment is Environment.SIM:
        return
    if venue.box is not None:
        text = f'is "{environment}", and a box is a simulation: make it "sim", or remove the box'
        checker.add(path, text)
    if venue.environment is Environment.PAPER:
        _check_paper(checker, path, venue)
        return
    known = capabilities_of(venue.protocol.value).environments
    if environment not in known and not venue.rest:
        text = (
            f'is "{environment}", which {venue.protocol.value} does not have; it has '
            f"{', '.join(known)}, sim in a box, and paper"
        )
        checker.add(path, text)


def _check_paper(checker: Checker, path: KeyPath, venue: VenueSettings) -> None:
    if capabilities_of(venue.protocol.value).paper is Support.NONE:
        able = ", ".join(
            name for name, each in CAPABILITIES.items() if each.paper is not Support.NONE
        )
        name = venue.protocol.value
        text = f'is "paper", and our own exchange does not speak {name}; it speaks {able}'
        checker.add(path, text)


def _check_order_entry(checker: Checker, path: KeyPath, venue: VenueSettings) -> None:
    able = capabilities_of(venue.protocol.value).websocket_orders is not Support.NONE
    if venue.order_entry is OrderEntry.WEBSOCKET and not able:
        name = venue.protocol.value
        text = f'was "websocket", allowed are "auto" and "rest": {name} takes orders over REST only'
        checker.add((*path, "order_entry"), text)


def _check_venue(checker: Checker, path: KeyPath, venue: VenueSettings) -> None:
    addresses = ("rest", "websocket_public", "websocket_private")
    if venue.box is None and venue.environment is not Environment.SIM:
        # Where the venue is, ccxt knows.
        return
    if venue.box is None:
        for key in addresses:
            if not getattr(venue, key):
                text = 'is missing: a venue without a box needs it, like "http://127.0.0.1:8090"'
                checker.add((*path, key), text)
        return
    for key in (*addresses, "proxy"):
        if getattr(venue, key):
            checker.add((*path, key), "remove it: the embedded box has an address of its own")
    markets = [market.symbol for market in venue.box.markets]
    _check_unique(checker, (*path, "box", "markets"), markets)
    for symbol in venue.symbols:
        if symbol not in markets:
            text = f'"{symbol}" has no market in the box; there are {", ".join(markets)}'
            checker.add((*path, "symbols"), text)
    for at, market in enumerate(venue.box.markets):
        _check_market(checker, (*path, "box", "markets", at), market)


def _check_market(checker: Checker, path: KeyPath, market: MarketSettings) -> None:
    for key in ("open_price", "tick", "lot", "order_minimum", "cost_minimum"):
        amount = getattr(market, key)
        if amount is not None and not Decimal(amount):
            checker.add((*path, key), "was zero, allowed is more")
    sources = [key for key in ("open_price", "recorded", "candles") if getattr(market, key)]
    if not sources:
        text = 'is missing: a market needs it, like "2500.00", or recorded files, or candles'
        checker.add((*path, "open_price"), text)
    for key in sources[1:]:
        checker.add((*path, key), f"remove it: {sources[0]} says of what the market is made")
    for key, names in (("recorded", market.recorded), ("candles", (market.candles,))):
        for name in names:
            if name is not None and not Path(name).expanduser().is_file():
                checker.add((*path, key), f'"{name}": there is no such file')


def _check_limits(
    checker: Checker, path: KeyPath, vault: VaultSettings, limits: RiskSettings
) -> None:
    for key in ("order_notional_max", "position_notional_max"):
        if vault.asset not in getattr(limits, key):
            text = f'is missing: the vaults in {vault.asset} need it, like {vault.asset} = "1000"'
            if not _has(checker, ("limits", key, vault.asset)):
                checker.add(("limits", key, vault.asset), text)


def _has(checker: Checker, path: KeyPath) -> bool:
    return any(problem.path == path for problem in checker.problems)


def _check_sleeves(
    checker: Checker, path: KeyPath, vault: VaultSettings, venue: VenueSettings | None
) -> None:
    _check_unique(checker, (*path, "sleeves"), [sleeve.name for sleeve in vault.sleeves])
    for at, sleeve in enumerate(vault.sleeves):
        if sleeve.name == MANUAL:
            text = f'"{MANUAL}" is what is traded by hand: give the sleeve another name'
            checker.add((*path, "sleeves", at, "name"), text)
        spot = not any(map(is_contract, sleeve.symbols))
        if spot and sleeve.direction is not Direction.LONG:
            text = f'was "{sleeve.direction.value}": only perpetuals can be sold short'
            checker.add((*path, "sleeves", at, "direction"), text)
    total = sum((Decimal(sleeve.allocated) for sleeve in vault.sleeves), Decimal(0))
    if total > Decimal(vault.tradeable):
        text = f"the sleeves are allocated {total}, more than the tradeable {vault.tradeable}"
        checker.add((*path, "tradeable"), text)
    for at, sleeve in enumerate(vault.sleeves):
        here = (*path, "sleeves", at, "symbols")
        for problem in _symbol_problems(sleeve, vault, venue):
            checker.add(here, problem)


def quote_of(symbol: str) -> str:
    """Return the asset that a symbol is quoted in: `USDT` of `ETH/USDT` and of `ETH/USDT:USDT`."""
    return symbol.partition("/")[2].partition(":")[0]


def _symbol_problems(
    sleeve: SleeveSettings, vault: VaultSettings, venue: VenueSettings | None
) -> Iterable[str]:
    for symbol in sleeve.symbols:
        if quote_of(symbol) != vault.asset:
            yield f'"{symbol}" is not quoted in the vault\'s asset {vault.asset}'
        elif venue is not None and symbol not in venue.symbols:
            yield f'"{symbol}" is not traded at {vault.venue}; there: {", ".join(venue.symbols)}'
