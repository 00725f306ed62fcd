create view journey.sessions as
select
  sessions.site_id,
  sessions.session_id,
  sessions.visitor_id,
  sessions.person_id,
  sessions.started_at,
  sessions.ended_at,
  extract(epoch from sessions.ended_at - sessions.started_at) as duration_seconds,
  round(sessions.engaged_milliseconds / 1000.0, 3) as engaged_seconds,
  sessions.engaged_milliseconds >= extract(epoch from sites.engaged_after) * 1000
    or sessions.page_view_count >= 2
    or (sites.goals @> '[{"name": "purchase"}]' and exists (
      select from store.orders
      where orders.site_id = sessions.site_id and orders.session_id = sessions.session_id
    ))
    or exists (
      select from store.conversions
      where conversions.site_id = sessions.site_id and conversions.session_id = sessions.session_id
    ) as is_engaged,
  sessions.page_view_count,
  sessions.touchpoint_count,
  sessions.entry_page,
  sessions.exit_page,
  sessions.channel,
  sessions.source,
  sessions.medium,
  sessions.campaign,
  sessions.term,
  sessions.content,
  sessions.device
from store.sessions
join store.sites on sites.site_id = sessions.site_id;

comment on view journey.sessions is
  'One row per session: touchpoints of one visitor with less than the site''s session gap between them.';
comment on column journey.sessions.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.sessions.session_id is 'The id of its first touchpoint.';
comment on column journey.sessions.visitor_id is 'The browser or device.';
comment on column journey.sessions.person_id is 'Whose session it is.';
comment on column journey.sessions.started_at is 'Its first touchpoint.';
comment on column journey.sessions.ended_at is 'Its last touchpoint.';
comment on column journey.sessions.duration_seconds is 'Last less first touchpoint.';
comment on column journey.sessions.engaged_seconds is 'Time in the foreground, as the snippet measured it.';
comment on column journey.sessions.is_engaged is
  '10 s engaged (a setting), or two page views, or a conversion of any goal; a bounce is a session that is not.';
comment on column journey.sessions.page_view_count is 'Page and screen views.';
comment on column journey.sessions.touchpoint_count is 'All its touchpoints.';
comment on column journey.sessions.entry_page is 'Path of the first page.';
comment on column journey.sessions.exit_page is 'Path of the last page.';
comment on column journey.sessions.channel is 'GA4''s default channel group of its first touchpoint.';
comment on column journey.sessions.source is
  'Where it came from: utm_source, the search engine, the referring host, or (direct).';
comment on column journey.sessions.medium is 'utm_medium, organic, referral, cpc or (none).';
comment on column journey.sessions.campaign is 'utm_campaign.';
comment on column journey.sessions.term is 'utm_term.';
comment on column journey.sessions.content is 'utm_content.';
comment on column journey.sessions.device is 'Device type as the client said.';
