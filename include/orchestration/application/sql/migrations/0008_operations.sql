-- Whether the alert is about the market or about the platform and its feed, as its rule says.
alter table alerts
add column if not exists kind text not null default 'market',
-- The incident that it is folded into, which is an alert of its own.
add column if not exists incident text;

update alerts set kind = 'operations'
where rule in ('feed_freshness', 'data_quality', 'log_break');

-- Each tab of the page asks for its own every few seconds.
create index if not exists alerts_kind on alerts (kind, source, bar_at desc);
create index if not exists alerts_incident on alerts (incident);
