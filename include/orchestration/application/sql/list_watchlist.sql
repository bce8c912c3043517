-- The first list of a platform is ready: whoever sets the platform up brings its history. So is what is no symbol.
with given as (
    select word, symbol, reason from json_to_recordset(%(words)s::json) as (word text, symbol text, reason text)
),

gone as (
    delete from watchlist
    where word not in (select given.word from given)
),

news as (
    insert into watchlist (word, symbol, reason, ready_at)
    select
        word, symbol, reason,
        case
            when
                symbol is null
                or not exists (select from watchlist)
                -- It is written in another way now.
                or symbol in (
                    select watchlist.symbol from watchlist
                    where watchlist.ready_at is not null
                )
                then now()
        end
    from given
    on conflict (word) do nothing
    returning word
)

select count(*) from news
