"""Endpoints found by their paths."""

from venue.routes import Route, Routes


def test_what_is_named_in_full_goes_before_parameters() -> None:
    routes = Routes(["orders/{id}", "orders/active", "orders/{id}/fills"])
    assert routes.find(["orders", "active"]) == Route("orders/active", {})
    assert routes.find(["orders", "7"]) == Route("orders/{id}", {"id": "7"})
    assert routes.find(["orders", "7", "fills"]) == Route("orders/{id}/fills", {"id": "7"})
    assert routes.find(["orders"]) is None
    assert routes.find(["fills", "7"]) is None
