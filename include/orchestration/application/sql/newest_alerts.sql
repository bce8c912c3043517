select
    alert_id, kind, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, baseline,
    session_phase, data_age_ms, source, explanation, first_seen_at,
    form, tag, tag_evidence,
    status, firings, before_value, before_threshold, inhibited_by, profile_version, bar_closed_at,
    polled_at, appended_at, detected_at, published_at, last_seen_at, case
        when notification = 'outbox'
            then coalesce(
                (
                    -- Of each channel what became of the newest version that it is to be told of.
                    select
                        string_agg(
                            newest.channel || case newest.outcome
                                when 'told' then '' when 'digest' then ' (in a digest)'
                                when 'refused' then ' (refused)' when 'restored' then ' (told before the restore)'
                                else ' (waits)'
                            end,
                            ', ' order by newest.channel
                        )
                    from (
                        select distinct on (outbox.channel) outbox.channel, outbox.outcome
                        from outbox
                        where outbox.subject = alerts.alert_id and outbox.kind = 'alert'
                        order by outbox.channel asc, outbox.outbox_id desc
                    ) as newest
                ),
                'not sent: below the severity of every channel'
            )
        else notification
    end as notification
from (
    -- The newest that match, so that a table of years costs no more than one of days.
    select *
    from alerts
    where
        (%(symbol)s::text is null or symbol = %(symbol)s)
        and (%(rule)s::text is null or rule = %(rule)s)
        and (%(severity)s::text is null or severity = %(severity)s)
        and (%(kind)s::text is null or kind = %(kind)s)
        and (%(source)s::text is null or source = %(source)s)
        and (incident is null or symbol = %(symbol)s)
        and (%(since)s::timestamptz is null or bar_at >= %(since)s)
        and (%(until)s::timestamptz is null or bar_at < %(until)s)
    order by bar_at desc
    limit %(counted)s
) as alerts
-- Session by session; in each, what nothing explains comes first.
order by
    case kind when 'market' then session_date end desc nulls last,
    (tag is not distinct from 'unexplained') desc,
    bar_at desc, score desc
limit %(limit)s
