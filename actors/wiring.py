"""Addresses, and the configuration messages that tell each actor who the others are."""

from collections.abc import Callable
from decimal import Decimal

from actors.books import is_contract
from exchanges.capabilities import Support, capabilities_of
from messages.money import (
    AccountConfigured,
    RiskAccount,
    RiskConfigured,
    SleeveAllocation,
    SleeveConfigured,
    VaultConfigured,
)
from messages.settings import ByHand, SleeveSettings, TreeSettings, VaultSettings

RISK = "/risk"
ALERTS = "/alerts"
ARBITRAGE = "/monitors/arbitrage"
NANOSECONDS_PER_MILLISECOND = 1_000_000
NANOSECONDS_PER_SECOND = 1_000_000_000


def account_address(venue: str, user: str) -> str:
    """Return the address of a user's account at a venue."""
    return f"/venues/{venue}/accounts/{user}"


def vault_address(vault: VaultSettings) -> str:
    """Return the address of a vault."""
    return f"/users/{vault.user}/vaults/{vault.name}"


def sleeve_address(vault: VaultSettings, sleeve: SleeveSettings) -> str:
    """Return the address of a sleeve."""
    return f"{vault_address(vault)}/sleeves/{sleeve.name}"


class Wiring:
    """What each actor of one tree is configured with. `scale` is of an asset's minor unit."""

    def __init__(self, settings: TreeSettings, scale: Callable[[str], int]) -> None:
        self._settings = settings
        self._scale = scale

    # --- who is where

    def users_at(self, venue: str) -> tuple[str, ...]:
        """Return the users who have a vault at `venue`, in order of the roster."""
        return tuple(dict.fromkeys(vault.user for vault in self._vaults(venue)))

    def guards(self) -> tuple[str, ...]:
        """Return the addresses of all guards."""
        return tuple(f"{vault_address(vault)}/guard" for vault in self._settings.roster.vaults)

    def listeners(self, venue: str) -> tuple[str, ...]:
        """Return who must know a venue's instruments; risk last, so no order comes too early."""
        told = []
        for vault in self._vaults(venue):
            told.append(f"{vault_address(vault)}/ledger")
            told += [sleeve_address(vault, sleeve) for sleeve in vault.sleeves]
        orders = [f"{account_address(venue, user)}/orders" for user in self.users_at(venue)]
        watching = (ARBITRAGE,) if venue in self.shared_venues() else ()
        return (*orders, *told, *watching, RISK)

    def shared(self) -> dict[str, tuple[str, ...]]:
        """Return the venues of each pair that two or more have, where arbitrage is watched."""
        if self._settings.monitors.arbitrage is None:
            return {}
        venues: dict[str, list[str]] = {}
        for name, venue in self._settings.venues.items():
            for symbol in venue.symbols:
                venues.setdefault(symbol, []).append(name)
        return {symbol: tuple(found) for symbol, found in venues.items() if len(found) > 1}

    def shared_venues(self) -> set[str]:
        """Return the venues that have a pair in common with another."""
        return {venue for found in self.shared().values() for venue in found}

    def _vaults(self, venue: str, user: str | None = None) -> list[VaultSettings]:
        return [
            vault
            for vault in self._settings.roster.vaults
            if vault.venue == venue and user in (None, vault.user)
        ]

    def _sleeves(self, venue: str, user: str) -> tuple[str, ...]:
        return tuple(
            sleeve_address(vault, sleeve)
            for vault in self._vaults(venue, user)
            for sleeve in vault.sleeves
        )

    # --- configurations

    def risk(self) -> RiskConfigured:
        """Return the gate's limits and accounts."""
        limits = self._settings.limits
        accounts = tuple(
            self._risk_account(venue, user)
            for venue in self._settings.venues
            for user in self.users_at(venue)
        )
        return RiskConfigured(
            lines=tuple(account.line for account in accounts),
            order_notional_max=self._minors(limits.order_notional_max),
            position_notional_max=self._minors(limits.position_notional_max),
            orders_per_minute_max=limits.orders_per_minute_max,
            symbols_allowed={name: venue.symbols for name, venue in self._settings.venues.items()},
            stale_ns_max=limits.stale_ms_max * NANOSECONDS_PER_MILLISECOND,
            accounts=accounts,
            alerts=ALERTS,
            leverages={
                name: venue.leverage
                for name, venue in self._settings.venues.items()
                if any(map(is_contract, venue.symbols))
            },
        )

    def _risk_account(self, venue: str, user: str) -> RiskAccount:
        at = account_address(venue, user)
        ledgers = tuple(f"{vault_address(vault)}/ledger" for vault in self._vaults(venue, user))
        return RiskAccount(
            user=user,
            venue=venue,
            orders=f"{at}/orders",
            line=f"{at}/line",
            sleeves=self._sleeves(venue, user),
            guarded=(*ledgers, f"{at}/orders"),
        )

    def account(self, venue: str, user: str) -> AccountConfigured:
        """Return the wiring of one account's orders and reconcile actors."""
        at = account_address(venue, user)
        settings = self._settings.venues[venue]
        vaults = self._vaults(venue, user)
        return AccountConfigured(
            user=user,
            venue=venue,
            environment=settings.environment.value,
            line=f"{at}/line",
            orders=f"{at}/orders",
            reconcile=f"{at}/reconcile",
            risk=RISK,
            ledgers={vault.name: f"{vault_address(vault)}/ledger" for vault in vaults},
            sleeves=self._sleeves(venue, user),
            alerts=ALERTS,
            visibility_lag_ns=settings.visibility_lag_ms * NANOSECONDS_PER_MILLISECOND,
            submit_expiry_ns=settings.submit_expiry_ms * NANOSECONDS_PER_MILLISECOND,
            reconcile_every_ns=settings.reconcile_every_s * NANOSECONDS_PER_SECOND,
            vault_assets={vault.name: vault.asset for vault in vaults},
            scales=dict(self._settings.assets),
            adopts=settings.by_hand is ByHand.ADOPT,
        )

    def vault(self, vault: VaultSettings) -> VaultConfigured:
        """Return the settings of one vault, defaults filled in."""
        defaults = self._settings.defaults
        at = vault_address(vault)
        venue = self._settings.venues[vault.venue]
        able = capabilities_of(venue.protocol.value)
        return VaultConfigured(
            user=vault.user,
            vault=vault.name,
            venue=vault.venue,
            environment=venue.environment.value,
            asset=vault.asset,
            asset_scale=self._scale(vault.asset),
            tradeable_minor=self._minor(vault.asset, vault.tradeable),
            tradeable_cap_minor=self._minor(vault.asset, vault.tradeable_cap),
            reserve_bps=_or_default(vault.reserve_bps, defaults.reserve_bps),
            slippage_bps=_or_default(vault.slippage_bps, defaults.slippage_bps),
            edge_bps_min=_or_default(vault.edge_bps_min, defaults.edge_bps_min),
            sleeves=tuple(self._allocation(vault, sleeve) for sleeve in vault.sleeves),
            risk=RISK,
            orders=f"{account_address(vault.venue, vault.user)}/orders",
            guard=f"{at}/guard",
            instruments=venue.symbols,
            ledger=f"{at}/ledger",
            alerts=ALERTS,
            amends=able.amend is Support.NATIVE,
            triggers=able.triggers is Support.NATIVE,
            adopts=venue.by_hand is ByHand.ADOPT,
            leverage=venue.leverage if any(map(is_contract, venue.symbols)) else 1,
        )

    def _allocation(self, vault: VaultSettings, sleeve: SleeveSettings) -> SleeveAllocation:
        return SleeveAllocation(
            sleeve=sleeve.name,
            style=sleeve.style,
            address=sleeve_address(vault, sleeve),
            allocated_minor=self._minor(vault.asset, sleeve.allocated),
            symbols=sleeve.symbols,
            strategy=sleeve.strategy,
            direction=sleeve.direction,
        )

    def sleeve(self, vault: VaultSettings, sleeve: SleeveSettings) -> SleeveConfigured:
        """Return the settings of one sleeve."""
        return SleeveConfigured(
            user=vault.user,
            vault=vault.name,
            venue=vault.venue,
            environment=self._settings.venues[vault.venue].environment.value,
            sleeve=sleeve.name,
            strategy=sleeve.strategy,
            symbols=sleeve.symbols,
            parameters=dict(sleeve.parameters),
            ledger=f"{vault_address(vault)}/ledger",
            direction=sleeve.direction,
        )

    def _minors(self, amounts: dict[str, str]) -> dict[str, int]:
        return {asset: self._minor(asset, text) for asset, text in amounts.items()}

    def _minor(self, asset: str, text: str) -> int:
        return int(Decimal(text).scaleb(self._scale(asset)))


def _or_default(value: int | None, default: int) -> int:
    return default if value is None else value
