-- The books once more, summed by SQL: the last assertion behind the ledger actor's own.

CREATE TABLE balance_sums (
    vault_address TEXT NOT NULL,
    account TEXT NOT NULL,
    asset TEXT NOT NULL,
    sum_minor INTEGER NOT NULL,
    PRIMARY KEY (vault_address, account, asset)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER transfers_are_dense BEFORE INSERT ON transfers
WHEN NEW.number <> 1 + coalesce(
    (SELECT max(number) FROM transfers WHERE vault_address = NEW.vault_address), 0
)
BEGIN SELECT RAISE(ABORT, 'a transfer number is missing or used twice'); END;

CREATE TRIGGER transfers_are_never_changed BEFORE UPDATE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;

CREATE TRIGGER transfers_are_never_deleted BEFORE DELETE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;

-- An overflowing sum becomes REAL, which a STRICT integer column refuses.
CREATE TRIGGER transfers_are_summed AFTER INSERT ON transfers BEGIN
    INSERT INTO balance_sums (vault_address, account, asset, sum_minor)
    VALUES (NEW.vault_address, NEW.debit, NEW.asset, -NEW.amount_minor)
    ON CONFLICT DO UPDATE SET sum_minor = sum_minor + excluded.sum_minor;
    INSERT INTO balance_sums (vault_address, account, asset, sum_minor)
    VALUES (NEW.vault_address, NEW.credit, NEW.asset, NEW.amount_minor)
    ON CONFLICT DO UPDATE SET sum_minor = sum_minor + excluded.sum_minor;
END;
