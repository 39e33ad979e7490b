"""What only the parts themselves can judge of a configuration, asked before anything starts.

Strategies know their parameters, boxes what a market can be. Found after the start, a misspelt
name would have spent the first run on sleeves that cannot work.
"""

from collections.abc import Iterator

from actors.sleeves import strategies
from actors.sleeves.strategy import ParameterError, strategy, strategy_names
from bot.checking import nearest
from messages.settings import Roster, SleeveSettings, VaultSettings, VenueSettings

assert strategies.SHIPPED, "importing the shipped strategies registers them"


def start_problems(venues: dict[str, VenueSettings], roster: Roster) -> list[str]:
    """Return everything that would fail after the start, each with its place and the remedy."""
    found = [problem for vault in roster.vaults for problem in _vault_problems(vault)]
    found += [
        f"venues.{name}.box: {problem}"
        for name, venue in venues.items()
        for problem in _box_problems(name, venue)
    ]
    return found


def _vault_problems(vault: VaultSettings) -> Iterator[str]:
    for sleeve in vault.sleeves:
        for problem in _sleeve_problems(sleeve):
            yield f"/users/{vault.user}/vaults/{vault.name}/sleeves/{sleeve.name}: {problem}"


def _sleeve_problems(sleeve: SleeveSettings) -> Iterator[str]:
    known = strategy_names()
    if sleeve.strategy not in known:
        hint = nearest(sleeve.strategy, list(known))
        yield f"there is no strategy {sleeve.strategy}; there are {', '.join(known)}{hint}"
        return
    chosen = strategy(sleeve.strategy)
    if len(sleeve.symbols) != chosen.legs:
        yield f"{chosen.name} trades {chosen.legs} symbols, {len(sleeve.symbols)} are given"
    try:
        chosen.settings(sleeve.parameters)
    except ParameterError as error:
        yield str(error)


def _box_problems(name: str, venue: VenueSettings) -> Iterator[str]:
    if venue.box is None:
        return
    # Here, because it imports numba, which a bot without a box does without.
    from venue.box import check_config
    from venue.config import VenueConfigError, instrument_of
    from venue.settings import box_config

    try:
        config = box_config(name, venue.box, (), data_file=None, protocol=venue.protocol.value)
        check_config(config)
        for market in config.markets:
            instrument_of(market)
    except (VenueConfigError, ValueError) as error:
        yield str(error)
