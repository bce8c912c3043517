-- The page asks every few seconds, with each of its filters, for the newest rows.
create index if not exists alerts_symbol on alerts (symbol, bar_at desc);
create index if not exists alerts_rule on alerts (rule, bar_at desc);
create index if not exists alerts_severity on alerts (severity, bar_at desc);
create index if not exists batches_stage on batches (stage, ended_at desc);
