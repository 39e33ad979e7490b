-- Perpetuals: funding received or paid, and what positions hold as their margin.

ALTER TABLE vaults ADD COLUMN funding_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vaults_current ADD COLUMN funding_minor INTEGER NOT NULL DEFAULT 0;

DROP TRIGGER vaults_keeps_current;

CREATE TRIGGER vaults_keeps_current AFTER INSERT ON vaults BEGIN
    INSERT INTO vaults_current (
        entity, id, seq, actor, recorded_ns, user, vault, venue, environment, asset, asset_scale,
        total_minor, tradeable_minor, remaining_minor, reserve_minor, realised_minor,
        unrealised_minor, fees_minor, mode, address,
        funding_minor
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.user, NEW.vault, NEW.venue,
        NEW.environment, NEW.asset, NEW.asset_scale, NEW.total_minor, NEW.tradeable_minor,
        NEW.remaining_minor, NEW.reserve_minor, NEW.realised_minor, NEW.unrealised_minor,
        NEW.fees_minor, NEW.mode, NEW.address,
        NEW.funding_minor
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, user = excluded.user, vault = excluded.vault,
        venue = excluded.venue, environment = excluded.environment, asset = excluded.asset,
        asset_scale = excluded.asset_scale, total_minor = excluded.total_minor,
        tradeable_minor = excluded.tradeable_minor, remaining_minor = excluded.remaining_minor,
        reserve_minor = excluded.reserve_minor, realised_minor = excluded.realised_minor,
        unrealised_minor = excluded.unrealised_minor, fees_minor = excluded.fees_minor,
        mode = excluded.mode, address = excluded.address,
        funding_minor = excluded.funding_minor;
END;

ALTER TABLE sleeves ADD COLUMN funding_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sleeves ADD COLUMN margin_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sleeves_current ADD COLUMN funding_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sleeves_current ADD COLUMN margin_minor INTEGER NOT NULL DEFAULT 0;

DROP TRIGGER sleeves_keeps_current;

CREATE TRIGGER sleeves_keeps_current AFTER INSERT ON sleeves BEGIN
    INSERT INTO sleeves_current (
        entity, id, seq, actor, recorded_ns, user, vault, sleeve, style, strategy, asset_scale,
        allocated_minor, cash_minor, reserved_minor, symbol, position_lots, lot,
        average_entry_ticks, tick, realised_minor, unrealised_minor, fees_minor, swept_minor,
        address,
        funding_minor, margin_minor
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.user, NEW.vault, NEW.sleeve,
        NEW.style, NEW.strategy, NEW.asset_scale, NEW.allocated_minor, NEW.cash_minor,
        NEW.reserved_minor, NEW.symbol, NEW.position_lots, NEW.lot, NEW.average_entry_ticks,
        NEW.tick, NEW.realised_minor, NEW.unrealised_minor, NEW.fees_minor, NEW.swept_minor,
        NEW.address,
        NEW.funding_minor, NEW.margin_minor
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, user = excluded.user, vault = excluded.vault,
        sleeve = excluded.sleeve, style = excluded.style, strategy = excluded.strategy,
        asset_scale = excluded.asset_scale, allocated_minor = excluded.allocated_minor,
        cash_minor = excluded.cash_minor, reserved_minor = excluded.reserved_minor,
        symbol = excluded.symbol, position_lots = excluded.position_lots, lot = excluded.lot,
        average_entry_ticks = excluded.average_entry_ticks, tick = excluded.tick,
        realised_minor = excluded.realised_minor, unrealised_minor = excluded.unrealised_minor,
        fees_minor = excluded.fees_minor, swept_minor = excluded.swept_minor,
        address = excluded.address,
        funding_minor = excluded.funding_minor, margin_minor = excluded.margin_minor;
END;
