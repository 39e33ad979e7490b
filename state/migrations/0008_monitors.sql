-- Read models of the monitors: what funding costs, and the same pair at several venues.

CREATE TABLE funding (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    rate_ppb INTEGER NOT NULL,
    next_rate_ppb INTEGER NOT NULL,
    is_predicted INTEGER NOT NULL CHECK (is_predicted IN (0, 1)),
    mark_price TEXT NOT NULL,
    interval_ns INTEGER NOT NULL CHECK (interval_ns > 0),
    settles_ns INTEGER NOT NULL,
    yearly_ppm INTEGER NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX funding_by_entity ON funding (entity);
CREATE TABLE funding_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    rate_ppb INTEGER NOT NULL,
    next_rate_ppb INTEGER NOT NULL,
    is_predicted INTEGER NOT NULL,
    mark_price TEXT NOT NULL,
    interval_ns INTEGER NOT NULL,
    settles_ns INTEGER NOT NULL,
    yearly_ppm INTEGER NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX funding_current_by_id ON funding_current (id);
CREATE TRIGGER funding_keeps_current AFTER INSERT ON funding BEGIN
    INSERT INTO funding_current (
        entity, id, seq, actor, recorded_ns, venue, symbol, rate_ppb, next_rate_ppb, is_predicted,
        mark_price, interval_ns, settles_ns, yearly_ppm, at_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.venue, NEW.symbol,
        NEW.rate_ppb, NEW.next_rate_ppb, NEW.is_predicted, NEW.mark_price, NEW.interval_ns,
        NEW.settles_ns, NEW.yearly_ppm, NEW.at_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor, recorded_ns =
        excluded.recorded_ns, venue = excluded.venue, symbol = excluded.symbol, rate_ppb =
        excluded.rate_ppb, next_rate_ppb = excluded.next_rate_ppb, is_predicted =
        excluded.is_predicted, mark_price = excluded.mark_price, interval_ns = excluded.interval_ns,
        settles_ns = excluded.settles_ns, yearly_ppm = excluded.yearly_ppm, at_ns = excluded.at_ns;
END;

CREATE TABLE opportunities (
    id INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    buy_venue TEXT NOT NULL,
    sell_venue TEXT NOT NULL,
    buy_ticks INTEGER NOT NULL,
    buy_tick TEXT NOT NULL,
    sell_ticks INTEGER NOT NULL,
    sell_tick TEXT NOT NULL,
    quantity_lots INTEGER NOT NULL,
    lot TEXT NOT NULL,
    net_ppm INTEGER NOT NULL,
    best_net_ppm INTEGER NOT NULL,
    began_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL,
    CHECK (buy_venue <> sell_venue),
    CHECK (ended_ns = 0 OR ended_ns > began_ns)
) STRICT;
CREATE INDEX opportunities_by_entity ON opportunities (entity);
CREATE TABLE opportunities_current (
    entity TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    recorded_ns INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    buy_venue TEXT NOT NULL,
    sell_venue TEXT NOT NULL,
    buy_ticks INTEGER NOT NULL,
    buy_tick TEXT NOT NULL,
    sell_ticks INTEGER NOT NULL,
    sell_tick TEXT NOT NULL,
    quantity_lots INTEGER NOT NULL,
    lot TEXT NOT NULL,
    net_ppm INTEGER NOT NULL,
    best_net_ppm INTEGER NOT NULL,
    began_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX opportunities_current_by_id ON opportunities_current (id);
CREATE TRIGGER opportunities_keeps_current AFTER INSERT ON opportunities BEGIN
    INSERT INTO opportunities_current (
        entity, id, seq, actor, recorded_ns, symbol, buy_venue, sell_venue, buy_ticks, buy_tick,
        sell_ticks, sell_tick, quantity_lots, lot, net_ppm, best_net_ppm, began_ns, ended_ns
    ) VALUES (
        NEW.entity, NEW.id, NEW.seq, NEW.actor, NEW.recorded_ns, NEW.symbol, NEW.buy_venue,
        NEW.sell_venue, NEW.buy_ticks, NEW.buy_tick, NEW.sell_ticks, NEW.sell_tick,
        NEW.quantity_lots, NEW.lot, NEW.net_ppm, NEW.best_net_ppm, NEW.began_ns, NEW.ended_ns
    ) ON CONFLICT (entity) DO UPDATE SET
        id = excluded.id, seq = excluded.seq, actor = excluded.actor, recorded_ns =
        excluded.recorded_ns, symbol = excluded.symbol, buy_venue = excluded.buy_venue, sell_venue =
        excluded.sell_venue, buy_ticks = excluded.buy_ticks, buy_tick = excluded.buy_tick,
        sell_ticks = excluded.sell_ticks, sell_tick = excluded.sell_tick, quantity_lots =
        excluded.quantity_lots, lot = excluded.lot, net_ppm = excluded.net_ppm, best_net_ppm =
        excluded.best_net_ppm, began_ns = excluded.began_ns, ended_ns = excluded.ended_ns;
END;
