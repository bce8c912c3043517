-- What the page counts every few seconds, told by the index alone.
create index alerts_counted on alerts (kind, source, closed, severity, bar_at) where incident is null;

-- As for symbol, rule and severity: what few alerts have.
create index alerts_tag on alerts (tag, bar_at desc);
create index reviews_owner on reviews (owner, state);

-- Any part of a sentence, found by its groups of three letters. Every PostgreSQL has the extension, and lets the owner
-- of a database add it.
create extension if not exists pg_trgm with schema public;
create index alerts_explanation on alerts using gin (lower(explanation) public.gin_trgm_ops);
