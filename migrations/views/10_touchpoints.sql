-- What it was called with before; gone only now that no view names it.
drop function if exists store.own_channel_of(jsonb, text, text[]);

create view journey.touchpoints as
select
  touchpoints.site_id,
  touchpoints.touchpoint_id,
  spell.person_id,
  touchpoints.anonymous_id as visitor_id,
  visit.session_id,
  touchpoints.name,
  touchpoints.type,
  touchpoints.source,
  touchpoints.ingested_by,
  touchpoints.occurred_at,
  touchpoints.sequence,
  touchpoints.received_at,
  coalesce(visit.channel, store.own_channel_of(
    touchpoints.site_id, touchpoints.context, touchpoints.source, sites.own_hosts || sites.excluded_referrers
  )) as channel,
  touchpoints.bot_reason is not null as is_bot,
  touchpoints.bot_reason,
  touchpoints.internal_reason is not null as is_internal,
  touchpoints.internal_reason,
  touchpoints.user_id,
  touchpoints.account_id,
  touchpoints.properties,
  touchpoints.context,
  touchpoints.flags,
  touchpoints.is_trusted,
  touchpoints.given_id,
  touchpoints.client_time,
  touchpoints.sent_at
from store.touchpoints
join store.sites on sites.site_id = touchpoints.site_id
left join lateral (
  select identities.person_id
  from store.identities
  where identities.site_id = touchpoints.site_id
    and identities.identity_id = touchpoints.identity_id
    and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
      <= (touchpoints.occurred_at, touchpoints.sequence, touchpoints.touchpoint_id)
    and touchpoints.bot_reason is null and touchpoints.internal_reason is null
  order by identities.spell desc
  limit 1
) as spell on true
left join lateral (
  select sessions.session_id, sessions.channel
  from store.sessions
  where sessions.site_id = touchpoints.site_id
    and sessions.identity_id = touchpoints.identity_id
    and touchpoints.source in ('web', 'app') and touchpoints.anonymous_id is not null
    and touchpoints.type not in ('identify', 'group', 'alias')
    and touchpoints.bot_reason is null and touchpoints.internal_reason is null
    and (sessions.started_at, sessions.started_sequence, sessions.session_id)
      <= (touchpoints.occurred_at, touchpoints.sequence, touchpoints.touchpoint_id)
  order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
  limit 1
) as visit on true;

comment on view journey.touchpoints is
  'One row per touchpoint, bots and internal traffic included and flagged.';
comment on column journey.touchpoints.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.touchpoints.touchpoint_id is
  'The id of the touchpoint: the client''s UUID v7, or the UUID v8 its own id was mapped to.';
comment on column journey.touchpoints.person_id is
  'Whose touchpoint it is; null for bots, internal traffic and what is not yet derived.';
comment on column journey.touchpoints.visitor_id is 'The browser or device: the anonymous id as given.';
comment on column journey.touchpoints.session_id is
  'The session it belongs to; null for what happened outside sessions.';
comment on column journey.touchpoints.name is 'Event name; GA4''s recommended names are canonical.';
comment on column journey.touchpoints.type is 'track, page, screen, identify, group or alias.';
comment on column journey.touchpoints.source is
  'Where it happened: web, app, server, store, phone, email, support or event.';
comment on column journey.touchpoints.ingested_by is 'How it reached Milepost: events, segment, pixel, click, import.';
comment on column journey.touchpoints.occurred_at is 'When it happened, after the skew rule.';
comment on column journey.touchpoints.sequence is 'Order among touchpoints of the same millisecond.';
comment on column journey.touchpoints.received_at is 'The collector''s clock when the whole request was read.';
comment on column journey.touchpoints.channel is 'Its session''s channel; outside sessions its own.';
comment on column journey.touchpoints.is_bot is 'Whether a bot sent it; then it is in no other view.';
comment on column journey.touchpoints.bot_reason is 'Why it is taken for a bot.';
comment on column journey.touchpoints.is_internal is
  'Whether it is the site''s own traffic; then it is in no other view.';
comment on column journey.touchpoints.internal_reason is 'Why it is taken for internal traffic.';
comment on column journey.touchpoints.user_id is 'The user id the touchpoint itself carries.';
comment on column journey.touchpoints.account_id is 'The account it names.';
comment on column journey.touchpoints.properties is 'The event''s properties as sent.';
comment on column journey.touchpoints.context is 'Page, campaign, device and the like as sent.';
comment on column journey.touchpoints.flags is 'What was odd but accepted, such as bad_items.';
comment on column journey.touchpoints.is_trusted is 'Whether it came with a secret key or by an operator''s import.';
comment on column journey.touchpoints.given_id is 'The client''s own id, where it was mapped.';
comment on column journey.touchpoints.client_time is 'When the client said it happened, before the skew rule.';
comment on column journey.touchpoints.sent_at is 'The client''s clock when it sent the batch.';
