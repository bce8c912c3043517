-- How each alert stands, and how it began. Nothing that came later changes how long its first firing took.
with messages as (

    select
        * exclude (polled_at),
        coalesce(polled_at, dateadd('millisecond', data_age_ms, bar_close_at)) as polled_at
    from {{ ref('fact_alert_events') }}

),

newest as (

    select *
    from messages
    qualify row_number() over (partition by alert_id order by published_at desc, kafka_offset desc) = 1

),

-- what a backfill raised again later, or had raised before, says nothing about the platform
firings as (

    select *
    from messages
    where status in ('fired', 'refired')
    qualify row_number() over (partition by alert_id order by is_live desc, published_at asc, kafka_offset asc) = 1

),

histories as (

    select
        alert_id,
        count(*) as messages,
        max(iff(is_live, 1, 0)) = 1 as is_live
    from messages
    group by alert_id

)

select
    -- ids
    newest.alert_id,
    coalesce(instruments.instrument_key, {{ unknown_instrument() }}) as instrument_key,
    newest.session_date,
    coalesce(firings.bar_id, newest.bar_id) as bar_id,
    newest.symbol,
    newest.timespan,
    newest.article_id,
    newest.event_ids,
    newest.tag_evidence,

    -- what fired
    newest.rule,
    newest.kind,
    newest.rule_version,
    newest.parameters_version,
    newest.form,
    newest.profile_version,
    newest.status,
    newest.firings,
    newest.direction,
    newest.severity,
    newest.score,
    newest.rarity_sessions,
    newest.value,
    newest.threshold,
    newest.baseline,
    newest.before_value,
    newest.before_threshold,
    newest.inhibited_by,
    newest.hole_cause,
    newest.tag,
    newest.session_phase,
    newest.explanation,
    histories.is_live,
    histories.messages,

    -- how it began
    firings.severity as first_severity,
    firings.score as first_score,
    firings.value as first_value,
    firings.threshold as first_threshold,

    -- when
    coalesce(firings.bar_start_at, newest.bar_start_at) as bar_start_at,
    newest.window_start_at,
    newest.window_end_at,
    newest.episode_start_at,
    newest.hole_start_at,
    newest.hole_end_at,
    coalesce(firings.bar_close_at, newest.bar_close_at) as bar_close_at,
    firings.polled_at,
    firings.appended_at,
    firings.detected_at,
    firings.published_at as alerted_at,
    newest.published_at as updated_at,
    newest.landed_at,

    -- how long it took
    datediff('millisecond', firings.bar_close_at, firings.polled_at) / 1000::float as close_to_poll_seconds,
    datediff('millisecond', firings.polled_at, firings.appended_at) / 1000::float as poll_to_append_seconds,
    datediff('millisecond', firings.appended_at, firings.detected_at) / 1000::float as append_to_detect_seconds,
    datediff('millisecond', firings.detected_at, firings.published_at) / 1000::float as detect_to_alert_seconds,
    datediff('millisecond', firings.polled_at, firings.published_at) / 1000::float as poll_to_alert_seconds,
    datediff('millisecond', firings.bar_close_at, firings.published_at) / 1000::float as close_to_alert_seconds,
    datediff('millisecond', firings.published_at, firings.landed_at) / 1000::float as alert_to_landed_seconds
from newest
inner join histories on newest.alert_id = histories.alert_id
left join firings on newest.alert_id = firings.alert_id
left join {{ ref('dim_instruments') }} as instruments
    on
        newest.symbol = instruments.symbol
        and {{ as_of('coalesce(firings.bar_start_at, newest.bar_start_at)', 'instruments') }}
