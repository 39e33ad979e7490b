"""History, bulk backtests, validation, reports."""
