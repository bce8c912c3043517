-- The words of the watchlist that polling has last seen, and how far each new symbol is.
create table if not exists watchlist (
    -- As it is written.
    word text primary key,
    -- What is polled for it; null: nothing, for the reason.
    symbol text,
    reason text,
    listed_at timestamptz not null default now(),
    -- Whether the vendor's reference data has the symbol; null until it is asked.
    known boolean,
    -- When people were told that the word is no ticker or that nobody knows it.
    told_at timestamptz,
    -- From when on people are told of the symbol's alerts; null while its history is brought.
    ready_at timestamptz
);
