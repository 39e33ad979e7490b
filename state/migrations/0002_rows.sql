-- One append table and its newest rows per class in messages/rows.py; a test compares the columns.
-- `entity` is the row's key, `seq` the message of `actor` that recorded it, at `recorded_ns`.

CREATE TABLE vaults (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    venue TEXT NOT NULL,
    environment TEXT NOT NULL,
    asset TEXT NOT NULL,
    asset_scale INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    tradeable_minor INTEGER NOT NULL,
    remaining_minor INTEGER NOT NULL,
    reserve_minor INTEGER NOT NULL,
    realised_minor INTEGER NOT NULL,
    unrealised_minor INTEGER NOT NULL,
    fees_minor INTEGER NOT NULL,
    mode TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
CREATE INDEX vaults_by_entity ON vaults (entity);
CREATE TABLE vaults_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    venue TEXT NOT NULL,
    environment TEXT NOT NULL,
    asset TEXT NOT NULL,
    asset_scale INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    tradeable_minor INTEGER NOT NULL,
    remaining_minor INTEGER NOT NULL,
    reserve_minor INTEGER NOT NULL,
    realised_minor INTEGER NOT NULL,
    unrealised_minor INTEGER NOT NULL,
    fees_minor INTEGER NOT NULL,
    mode TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
CREATE INDEX vaults_current_by_id ON vaults_current (id);
CREATE TRIGGER vaults_keeps_current AFTER INSERT ON vaults BEGIN
    INSERT INTO vaults_current (
        entity, id, seq, actor, recorded_ns, user, vault, venue, environment, asset, asset_scale,
        total_minor, tradeable_minor, remaining_minor, reserve_minor, realised_minor,
        unrealised_minor, fees_minor, mode, address
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.user, NEW.vault, NEW.venue,
        NEW.environment, NEW.asset, NEW.asset_scale, NEW.total_minor, NEW.tradeable_minor,
        NEW.remaining_minor, NEW.reserve_minor, NEW.realised_minor, NEW.unrealised_minor,
        NEW.fees_minor, NEW.mode, NEW.address
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, user = excluded.user, vault = excluded.vault,
        venue = excluded.venue, environment = excluded.environment, asset = excluded.asset,
        asset_scale = excluded.asset_scale, total_minor = excluded.total_minor,
        tradeable_minor = excluded.tradeable_minor, remaining_minor = excluded.remaining_minor,
        reserve_minor = excluded.reserve_minor, realised_minor = excluded.realised_minor,
        unrealised_minor = excluded.unrealised_minor, fees_minor = excluded.fees_minor,
        mode = excluded.mode, address = excluded.address;
END;

CREATE TABLE sleeves (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    sleeve TEXT NOT NULL,
    style TEXT NOT NULL,
    strategy TEXT NOT NULL,
    asset_scale INTEGER NOT NULL,
    allocated_minor INTEGER NOT NULL,
    cash_minor INTEGER NOT NULL,
    reserved_minor INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    position_lots INTEGER NOT NULL,
    lot TEXT NOT NULL,
    average_entry_ticks INTEGER NOT NULL,
    tick TEXT NOT NULL,
    realised_minor INTEGER NOT NULL,
    unrealised_minor INTEGER NOT NULL,
    fees_minor INTEGER NOT NULL,
    swept_minor INTEGER NOT NULL,
    address TEXT NOT NULL
) STRICT;
CREATE INDEX sleeves_by_entity ON sleeves (entity);
CREATE TABLE sleeves_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    sleeve TEXT NOT NULL,
    style TEXT NOT NULL,
    strategy TEXT NOT NULL,
    asset_scale INTEGER NOT NULL,
    allocated_minor INTEGER NOT NULL,
    cash_minor INTEGER NOT NULL,
    reserved_minor INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    position_lots INTEGER NOT NULL,
    lot TEXT NOT NULL,
    average_entry_ticks INTEGER NOT NULL,
    tick TEXT NOT NULL,
    realised_minor INTEGER NOT NULL,
    unrealised_minor INTEGER NOT NULL,
    fees_minor INTEGER NOT NULL,
    swept_minor INTEGER NOT NULL,
    address TEXT NOT NULL
) STRICT;
CREATE INDEX sleeves_current_by_id ON sleeves_current (id);
CREATE TRIGGER sleeves_keeps_current AFTER INSERT ON sleeves BEGIN
    INSERT INTO sleeves_current (
        entity, id, seq, actor, recorded_ns, user, vault, sleeve, style, strategy, asset_scale,
        allocated_minor, cash_minor, reserved_minor, symbol, position_lots, lot,
        average_entry_ticks, tick, realised_minor, unrealised_minor, fees_minor, swept_minor,
        address
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.user, NEW.vault, NEW.sleeve,
        NEW.style, NEW.strategy, NEW.asset_scale, NEW.allocated_minor, NEW.cash_minor,
        NEW.reserved_minor, NEW.symbol, NEW.position_lots, NEW.lot, NEW.average_entry_ticks,
        NEW.tick, NEW.realised_minor, NEW.unrealised_minor, NEW.fees_minor, NEW.swept_minor,
        NEW.address
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
        address = excluded.address;
END;

CREATE TABLE sleeve_states (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX sleeve_states_by_entity ON sleeve_states (entity);
CREATE TABLE sleeve_states_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX sleeve_states_current_by_id ON sleeve_states_current (id);
CREATE TRIGGER sleeve_states_keeps_current AFTER INSERT ON sleeve_states BEGIN
    INSERT INTO sleeve_states_current (
        entity, id, seq, actor, recorded_ns, address, state, reason
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.address, NEW.state,
        NEW.reason
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, address = excluded.address, state = excluded.state,
        reason = excluded.reason;
END;

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    venue_order_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    venue TEXT NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    sleeve TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    quantity_lots INTEGER NOT NULL,
    limit_ticks INTEGER NOT NULL,
    filled_lots INTEGER NOT NULL,
    cost_minor INTEGER NOT NULL,
    tick TEXT NOT NULL,
    lot TEXT NOT NULL,
    quote_scale INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_by_entity ON orders (entity);
CREATE TABLE orders_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    venue_order_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    venue TEXT NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    sleeve TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    quantity_lots INTEGER NOT NULL,
    limit_ticks INTEGER NOT NULL,
    filled_lots INTEGER NOT NULL,
    cost_minor INTEGER NOT NULL,
    tick TEXT NOT NULL,
    lot TEXT NOT NULL,
    quote_scale INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_current_by_id ON orders_current (id);
CREATE TRIGGER orders_keeps_current AFTER INSERT ON orders BEGIN
    INSERT INTO orders_current (
        entity, id, seq, actor, recorded_ns, client_order_id, venue_order_id, environment, venue,
        user, vault, sleeve, symbol, side, type, quantity_lots, limit_ticks, filled_lots,
        cost_minor, tick, lot, quote_scale, state, reason, created_ns, updated_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.client_order_id,
        NEW.venue_order_id, NEW.environment, NEW.venue, NEW.user, NEW.vault, NEW.sleeve,
        NEW.symbol, NEW.side, NEW.type, NEW.quantity_lots, NEW.limit_ticks, NEW.filled_lots,
        NEW.cost_minor, NEW.tick, NEW.lot, NEW.quote_scale, NEW.state, NEW.reason,
        NEW.created_ns, NEW.updated_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, client_order_id = excluded.client_order_id,
        venue_order_id = excluded.venue_order_id, environment = excluded.environment,
        venue = excluded.venue, user = excluded.user, vault = excluded.vault,
        sleeve = excluded.sleeve, symbol = excluded.symbol, side = excluded.side,
        type = excluded.type, quantity_lots = excluded.quantity_lots,
        limit_ticks = excluded.limit_ticks, filled_lots = excluded.filled_lots,
        cost_minor = excluded.cost_minor, tick = excluded.tick, lot = excluded.lot,
        quote_scale = excluded.quote_scale, state = excluded.state, reason = excluded.reason,
        created_ns = excluded.created_ns, updated_ns = excluded.updated_ns;
END;

CREATE TABLE fills (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    exec_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    venue TEXT NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    sleeve TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity_lots INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL,
    cost_minor INTEGER NOT NULL,
    fee_minor INTEGER NOT NULL,
    fee_asset TEXT NOT NULL,
    fee_scale INTEGER NOT NULL,
    tick TEXT NOT NULL,
    lot TEXT NOT NULL,
    quote_scale INTEGER NOT NULL,
    liquidity TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    UNIQUE (entity)
) STRICT;
CREATE TABLE fills_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    exec_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    venue TEXT NOT NULL,
    user TEXT NOT NULL,
    vault TEXT NOT NULL,
    sleeve TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity_lots INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL,
    cost_minor INTEGER NOT NULL,
    fee_minor INTEGER NOT NULL,
    fee_asset TEXT NOT NULL,
    fee_scale INTEGER NOT NULL,
    tick TEXT NOT NULL,
    lot TEXT NOT NULL,
    quote_scale INTEGER NOT NULL,
    liquidity TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX fills_current_by_id ON fills_current (id);
CREATE TRIGGER fills_keeps_current AFTER INSERT ON fills BEGIN
    INSERT INTO fills_current (
        entity, id, seq, actor, recorded_ns, exec_id, client_order_id, environment, venue, user,
        vault, sleeve, symbol, side, quantity_lots, price_ticks, cost_minor, fee_minor,
        fee_asset, fee_scale, tick, lot, quote_scale, liquidity, at_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.exec_id,
        NEW.client_order_id, NEW.environment, NEW.venue, NEW.user, NEW.vault, NEW.sleeve,
        NEW.symbol, NEW.side, NEW.quantity_lots, NEW.price_ticks, NEW.cost_minor, NEW.fee_minor,
        NEW.fee_asset, NEW.fee_scale, NEW.tick, NEW.lot, NEW.quote_scale, NEW.liquidity, NEW.at_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor,
        recorded_ns = excluded.recorded_ns, exec_id = excluded.exec_id,
        client_order_id = excluded.client_order_id, environment = excluded.environment,
        venue = excluded.venue, user = excluded.user, vault = excluded.vault,
        sleeve = excluded.sleeve, symbol = excluded.symbol, side = excluded.side,
        quantity_lots = excluded.quantity_lots, price_ticks = excluded.price_ticks,
        cost_minor = excluded.cost_minor, fee_minor = excluded.fee_minor,
        fee_asset = excluded.fee_asset, fee_scale = excluded.fee_scale, tick = excluded.tick,
        lot = excluded.lot, quote_scale = excluded.quote_scale, liquidity = excluded.liquidity,
        at_ns = excluded.at_ns;
END;
