-- A row: what is said of a session's minutes for a symbol and rule does not sum to what was expected, or a part is
-- below zero, or more was watched late than watched.
select
    session_date,
    symbol,
    rule,
    form
from {{ ref('rpt_coverage') }}
where
    {{ recent(ref('rpt_coverage')) }}
    and (
        expected_minutes <> watched_minutes + no_trade_minutes + no_history_minutes
        + rejected_minutes + not_measured_minutes + not_polled_minutes
        or least(
            watched_minutes, no_trade_minutes, no_history_minutes, rejected_minutes, not_measured_minutes,
            not_polled_minutes, late_minutes, watched_minutes - late_minutes
        ) < 0
    )
