"""Exchanges: ccxt natively on trio, behind one typed client. The only place that imports ccxt."""
