create index if not exists alerts_bar_at on alerts (bar_at desc)
