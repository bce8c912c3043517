{#- Rule, form, and what is null where the form has too little to go on. -#}
{%- set judged_by = [
    ('abnormal_volume', 'literal', 'volume_mean'), ('abnormal_volume', 'robust', 'volume_z'),
    ('volatility_spike', 'literal', 'return_std_p95'), ('volatility_spike', 'robust', 'volatility_ratio'),
    ('price_breakout', 'literal', 'highest_high'), ('price_breakout', 'robust', 'breakout_atr'),
    ('price_gap', 'literal', 'gap'), ('price_gap', 'robust', 'gap_range')
] -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

-- Each minute of a closed session is one of these: watched, without a trade, without the history that the rule needs,
-- rejected, not measured, not polled. Rules of the feed look at the polls themselves. What was asked for of news leaves
-- no watermark, so nothing is said of news_impact; pump_and_dump reads bars of days, which are not minutes.
-- depends_on: {{ ref('fact_alerts') }}
with polled as (

    select * from {{ ref('fact_polled_minutes') }}
    where timespan = 'minute'

),

polls as (

    select * from polled
    {% if is_incremental() %}
        where
            session_date in (
                {{ touched_sessions() }}
                union distinct
                {{ sessions_touched_in(ref('fact_polled_minutes')) }}
            )
    {% endif %}

),

sessions as (

    select distinct
        session_date,
        open_at,
        close_at
    from polls

),

-- what a backfill has only corrected was watched in time
live as (

    select distinct
        revisions.bar_start_at,
        revisions.bar_id
    from sessions
    inner join {{ ref('fact_bar_revisions') }} as revisions
        on sessions.open_at <= revisions.bar_start_at and sessions.close_at > revisions.bar_start_at
    where revisions.is_live and revisions.timespan = 'minute'

),

bars as (

    select
        sessions.session_date,
        facts.symbol,
        count(*) as bars,
        count_if(not facts.is_measured) as unmeasured,
        {% for rule, form, measure in judged_by %}
            count(facts.{{ measure }}) as {{ rule }}_{{ form }},
            count_if(facts.{{ measure }} is not null and live.bar_id is null) as {{ rule }}_{{ form }}_late,
        {% endfor %}
        max(facts.landed_at) as landed_at
    from sessions
    inner join {{ ref('fact_intraday_metrics') }} as facts
        on sessions.open_at <= facts.bar_start_at and sessions.close_at > facts.bar_start_at
    left join live on facts.bar_start_at = live.bar_start_at and facts.bar_id = live.bar_id
    where facts.timespan = 'minute'
    group by sessions.session_date, facts.symbol

),

counted as (

    {% for rule, form, measure in judged_by %}
        {#- Only the first bar of a session can be a gap. -#}
        {%- set expected = '1' if rule == 'price_gap' else 'polls.expected_minutes' %}
        {{ 'union all' if not loop.first }}
        select
            polls.session_date,
            polls.symbol,
            '{{ rule }}' as rule,
            '{{ form }}' as form,
            {{ expected }} as expected,
            least(polls.polled_minutes, {{ expected }}) as polled,
            least(coalesce(bars.bars, 0), {{ expected }}) as bars,
            least(coalesce(bars.{{ rule }}_{{ form }}, 0), {{ expected }}) as watched,
            least(coalesce(bars.{{ rule }}_{{ form }}_late, 0), {{ expected }}) as late,
            coalesce(bars.unmeasured, 0) as unmeasured,
            polls.rejected_bars as rejected,
            greatest(polls.landed_at, coalesce(bars.landed_at, polls.landed_at)) as landed_at
        from polls
        left join bars on polls.session_date = bars.session_date and polls.symbol = bars.symbol
    {% endfor %}
    {% for rule in ['feed_freshness', 'data_quality'] %}
        union all
        select
            session_date,
            symbol,
            '{{ rule }}' as rule,
            'literal' as form,
            expected_minutes as expected,
            polled_minutes as polled,
            polled_minutes as bars,
            polled_minutes as watched,
            0 as late,
            0 as unmeasured,
            0 as rejected,
            landed_at
        from polls
    {% endfor %}

)

select
    session_date,
    symbol,
    rule,
    form,
    expected as expected_minutes,
    watched as watched_minutes,
    late as late_minutes,
    greatest(polled - bars, 0) - least(rejected, greatest(polled - bars, 0)) as no_trade_minutes,
    bars - watched - least(unmeasured, bars - watched) as no_history_minutes,
    least(rejected, greatest(polled - bars, 0)) as rejected_minutes,
    least(unmeasured, bars - watched) as not_measured_minutes,
    expected - greatest(polled, bars) as not_polled_minutes,
    landed_at
from counted
