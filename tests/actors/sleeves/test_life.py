import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sleeves.life import LIFE, REFUSALS, Act, IllegalMoveError, Life, moved


def test_every_move_that_an_operator_may_ask_for_is_legal_or_has_an_answer() -> None:
    for life in Life:
        for act in (Act.PAUSE, Act.RESUME, Act.CLOSE):
            assert ((life, act) in LIFE) != ((life, act) in REFUSALS)


def test_poison_freezes_whatever_it_was() -> None:
    assert all(moved(life, Act.FREEZE) is Life.FROZEN for life in Life)


@pytest.mark.parametrize("life", [Life.ACTIVE, Life.PAUSED, Life.FROZEN])
def test_an_illegal_move_raises(life: Life) -> None:
    with pytest.raises(IllegalMoveError, match=f"a sleeve that is {life.value} cannot flat"):
        moved(life, Act.FLAT)


@given(st.lists(st.sampled_from(list(Act))))
def test_nothing_but_resume_leads_back_to_trading(acts: list[Act]) -> None:
    life = Life.PAUSED
    for act in acts:
        before = life
        if (life, act) in LIFE:
            life = moved(life, act)
        if life is Life.ACTIVE and before is not Life.ACTIVE:
            assert act is Act.RESUME
