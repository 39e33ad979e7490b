"""The shipped strategies: one step function each."""

from actors.sleeves.strategies.buy_low_sell_high import BuyLowSellHigh

SHIPPED = (BuyLowSellHigh,)
"""Importing this registers them by name."""
