"""ccxt's own asyncio class and ours, doing the same things to two boxes that are alike."""
