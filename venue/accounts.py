"""Accounts of the venue and the double-entry balances behind them."""

from dataclasses import dataclass, field

from venue.config import AccountConfig

# Four accounts nobody can log in to, so that the balances of every asset always sum to zero.
FLOW_ACCOUNT = 0  # the generated participants' side of each trade
FEES_ACCOUNT = -1  # what the venue earned
OUTSIDE_ACCOUNT = -2  # the counterpart of deposits and withdrawals
INSURANCE_ACCOUNT = -3  # pays what a liquidated account owes beyond its money


@dataclass(slots=True)
class Account:
    """A customer: credentials, limits already used, balances and what of them is reserved."""

    number: int
    name: str
    api_key: str
    api_secret: str
    maker_ppm: int
    taker_ppm: int
    contract_rates_ppm: tuple[int, int] | None = None
    """Maker's and taker's of perpetuals, where they are others."""
    passphrase: str = ""
    may_trade: bool = True
    may_withdraw: bool = False
    last_nonce: int = 0
    cancel_after_ns: int = 0
    """When the dead man's switch cancels everything; 0 means it is off."""
    balances: dict[str, int] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)

    def rate_ppm(self, *, is_contract: bool, is_maker: bool) -> int:
        """Return the fee rate of a trade."""
        rates = (self.maker_ppm, self.taker_ppm)
        if is_contract and self.contract_rates_ppm is not None:
            rates = self.contract_rates_ppm
        return rates[0 if is_maker else 1]

    def available_units(self, asset: str) -> int:
        return self.balances.get(asset, 0) - self.holds.get(asset, 0)

    def hold(self, asset: str, by_units: int) -> None:
        """Reserve more (or less, when negative) of `asset`."""
        held_units = self.holds.get(asset, 0) + by_units
        assert held_units >= 0, "a hold was released twice"
        self.holds[asset] = held_units


# (30-day volume in USD from which a tier holds, taker ppm, maker ppm): Kraken Pro's spot fees.
FeeSchedule = tuple[tuple[int, int, int], ...]
FEE_SCHEDULE: FeeSchedule = (
    (0, 4_000, 2_500),
    (10_000, 3_500, 2_000),
    (50_000, 2_400, 1_400),
    (100_000, 2_200, 1_200),
    (250_000, 2_000, 1_000),
    (500_000, 1_800, 800),
    (1_000_000, 1_600, 600),
    (2_500_000, 1_400, 400),
    (5_000_000, 1_200, 200),
    (10_000_000, 1_000, 0),
)


def account_from(
    number: int,
    config: AccountConfig,
    fee_schedule: FeeSchedule = FEE_SCHEDULE,
    contract_fee_schedule: FeeSchedule | None = None,
) -> Account:
    """Return the account that `config` describes, without balances."""
    _, taker_ppm, maker_ppm = fee_schedule[config.fee_tier]
    contract_rates_ppm = None
    if contract_fee_schedule is not None:
        _, taker, maker = contract_fee_schedule[config.fee_tier]
        contract_rates_ppm = (maker, taker)
    return Account(
        number=number,
        name=config.name,
        api_key=config.api_key,
        api_secret=config.api_secret,
        passphrase=config.passphrase,
        maker_ppm=maker_ppm,
        taker_ppm=taker_ppm,
        contract_rates_ppm=contract_rates_ppm,
        may_trade=config.may_trade,
        may_withdraw=config.may_withdraw,
    )
