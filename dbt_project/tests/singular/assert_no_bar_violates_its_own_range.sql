-- A row: a bar whose high is not its highest, whose low is not its lowest, or whose volume is below zero.
-- Such bars belong on the rejected topic; normalise has let one through.
select
    bar_id,
    open,
    high,
    low,
    close,
    volume
from {{ ref('int_bars') }}
where
    (high < greatest(open, close, low) or low > least(open, close, high) or volume < 0)
    and {{ recent(ref('int_bars')) }}
