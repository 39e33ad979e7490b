"""What an order holds of its vault's money."""

from messages.account import AccountFee, FeesTold
from messages.orders import OrderRequest, Side
from tests.actors.vaults import SYMBOL, VENUE, Vault


def paying(taker_ppm: int) -> FeesTold:
    fee = AccountFee(symbol=SYMBOL, maker_ppm=0, taker_ppm=taker_ppm)
    return FeesTold(user="ann", venue=VENUE, fees=(fee,))


def reserved(vault: Vault) -> int:
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert isinstance(request, OrderRequest)
    return request.reserved_minor


def test_a_buy_reserves_for_the_listed_fee_or_for_more() -> None:
    listed = reserved(Vault())
    cheaper, dearer = Vault(), Vault()
    cheaper.do(paying(400))
    assert reserved(cheaper) == listed, "a tier can be lost between two readings"
    dearer.do(paying(50_000))
    assert reserved(dearer) > listed
