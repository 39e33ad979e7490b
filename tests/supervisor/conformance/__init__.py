"""OTP's supervisor suite, group by group, written afresh against our interface."""
