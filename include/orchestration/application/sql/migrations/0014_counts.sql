-- What the page counts every few seconds, told by the index alone.
create index alerts_counted on alerts (kind, source, closed, severity, bar_at) where incident is null;
