"""What a sleeve lets its strategy see."""

from msgspec.structs import replace

from actors.sleeves.view import leg_of
from messages.account import AccountFee, FeesTold
from tests.actors.sleeves.scenes import Scene
from tests.actors.vaults import SYMBOL, VENUE

OWN = AccountFee(symbol=SYMBOL, maker_ppm=0, taker_ppm=400)
TOLD = FeesTold(user="ann", venue=VENUE, fees=(OWN,))


def cost_ppm(scene: Scene) -> int:
    state = scene.probe.state
    return leg_of(state, state.legs[SYMBOL]).cost_ppm


def test_a_sleeve_judges_by_the_accounts_fee_once_it_is_told() -> None:
    scene = Scene()
    listed = cost_ppm(scene)
    scene.do(TOLD)
    assert cost_ppm(scene) == 2 * (400 + 500) < listed
    scene.do(replace(TOLD, user="bob", fees=(replace(OWN, taker_ppm=5),)))
    assert cost_ppm(scene) == 1_800, "that is another's account"
