-- The rest of the read models: books, reconciliation, alerts, the kill switch.

CREATE TABLE transfers (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    vault_address TEXT NOT NULL,
    number INTEGER NOT NULL,
    asset TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    CHECK (amount_minor > 0),
    CHECK (debit <> credit),
    CHECK (number > 0),
    UNIQUE (vault_address, number)
) STRICT;
CREATE INDEX transfers_by_entity ON transfers (entity);
CREATE TABLE transfers_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    vault_address TEXT NOT NULL,
    number INTEGER NOT NULL,
    asset TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_current_by_id ON transfers_current (id);
CREATE TRIGGER transfers_keeps_current AFTER INSERT ON transfers BEGIN
    INSERT INTO transfers_current (
        entity, id, seq, actor, recorded_ns, vault_address, number, asset, debit, credit,
        amount_minor, kind, reference, at_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.vault_address, NEW.number,
        NEW.asset, NEW.debit, NEW.credit, NEW.amount_minor, NEW.kind, NEW.reference, NEW.at_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, vault_address = excluded.vault_address,
        number = excluded.number, asset = excluded.asset, debit = excluded.debit,
        credit = excluded.credit, amount_minor = excluded.amount_minor, kind = excluded.kind,
        reference = excluded.reference, at_ns = excluded.at_ns;
END;

CREATE TABLE balances (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    vault_address TEXT NOT NULL,
    account TEXT NOT NULL,
    asset TEXT NOT NULL,
    balance_minor INTEGER NOT NULL,
    may_be_negative INTEGER NOT NULL CHECK (may_be_negative IN (0, 1)),
    CHECK (may_be_negative OR balance_minor >= 0)
) STRICT;
CREATE INDEX balances_by_entity ON balances (entity);
CREATE TABLE balances_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    vault_address TEXT NOT NULL,
    account TEXT NOT NULL,
    asset TEXT NOT NULL,
    balance_minor INTEGER NOT NULL,
    may_be_negative INTEGER NOT NULL CHECK (may_be_negative IN (0, 1))
) STRICT;
CREATE INDEX balances_current_by_id ON balances_current (id);
CREATE TRIGGER balances_keeps_current AFTER INSERT ON balances BEGIN
    INSERT INTO balances_current (
        entity, id, seq, actor, recorded_ns, vault_address, account, asset, balance_minor,
        may_be_negative
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.vault_address, NEW.account,
        NEW.asset, NEW.balance_minor, NEW.may_be_negative
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, vault_address = excluded.vault_address,
        account = excluded.account, asset = excluded.asset,
        balance_minor = excluded.balance_minor, may_be_negative = excluded.may_be_negative;
END;

CREATE TABLE reconciliations (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    user TEXT NOT NULL,
    venue TEXT NOT NULL,
    agreed INTEGER NOT NULL CHECK (agreed IN (0, 1)),
    differences TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX reconciliations_by_entity ON reconciliations (entity);
CREATE TABLE reconciliations_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    user TEXT NOT NULL,
    venue TEXT NOT NULL,
    agreed INTEGER NOT NULL CHECK (agreed IN (0, 1)),
    differences TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX reconciliations_current_by_id ON reconciliations_current (id);
CREATE TRIGGER reconciliations_keeps_current AFTER INSERT ON reconciliations BEGIN
    INSERT INTO reconciliations_current (
        entity, id, seq, actor, recorded_ns, user, venue, agreed, differences, at_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.user, NEW.venue, NEW.agreed,
        NEW.differences, NEW.at_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, user = excluded.user, venue = excluded.venue,
        agreed = excluded.agreed, differences = excluded.differences, at_ns = excluded.at_ns;
END;

CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    alert_id TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_by_entity ON alerts (entity);
CREATE TABLE alerts_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    alert_id TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_current_by_id ON alerts_current (id);
CREATE TRIGGER alerts_keeps_current AFTER INSERT ON alerts BEGIN
    INSERT INTO alerts_current (
        entity, id, seq, actor, recorded_ns, alert_id, severity, subject, text, at_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.alert_id, NEW.severity,
        NEW.subject, NEW.text, NEW.at_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, alert_id = excluded.alert_id,
        severity = excluded.severity, subject = excluded.subject, text = excluded.text,
        at_ns = excluded.at_ns;
END;

CREATE TABLE switch (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    engaged INTEGER NOT NULL CHECK (engaged IN (0, 1)),
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    operator TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX switch_by_entity ON switch (entity);
CREATE TABLE switch_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    engaged INTEGER NOT NULL CHECK (engaged IN (0, 1)),
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    operator TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX switch_current_by_id ON switch_current (id);
CREATE TRIGGER switch_keeps_current AFTER INSERT ON switch BEGIN
    INSERT INTO switch_current (
        entity, id, seq, actor, recorded_ns, engaged, confirmed, operator, reason, at_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.engaged, NEW.confirmed,
        NEW.operator, NEW.reason, NEW.at_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, engaged = excluded.engaged,
        confirmed = excluded.confirmed, operator = excluded.operator, reason = excluded.reason,
        at_ns = excluded.at_ns;
END;
