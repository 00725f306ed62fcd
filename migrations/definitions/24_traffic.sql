-- Where a touchpoint came from: source, medium, campaign and channel (SEMANTICS 5).

-- What these were called with less to go by; a parameter cannot be renamed otherwise.
drop function if exists store.traffic_of(jsonb, text, text[]);
drop function if exists store.traffic_of(integer, jsonb, text, text[]);
drop function if exists store.referrer_of(jsonb, text[]);
drop function if exists store.traffic_by(jsonb, text, text);
drop function if exists store.channel_of(text, text, text, text);
drop function if exists store.category_of(text);
drop function if exists store.search_engine_of(text);

-- The host of a URL, lower-cased, without port, a leading `www.` and the dot of the root; null when there is none. An app
-- (`android-app://com.example/…`) has its package for a host.
create or replace function store.host_of(url text) returns text
language plpgsql immutable parallel safe
as $$
declare
  host text := substring(url from '^\s*[A-Za-z][A-Za-z0-9+.-]*://([^/?#]+)');
begin
  if position('@' in host) > 0 then
    host := substring(host from '[^@]*$');
  end if;
  host := lower(case when left(host, 1) = '[' then substring(host from '^\[[0-9A-Fa-f:.]+\]') else split_part(host, ':', 1) end);
  if left(host, 4) = 'www.' then
    host := substr(host, 5);
  end if;
  host := rtrim(host, '.');
  if host = '' or length(host) > 253 or host ~ '[\s"<>{}|^`%*,;()=\\]' then
    return null;
  end if;
  return host;
end
$$;

-- Whether a host is one of those, or a subdomain of one.
create or replace function store.is_among(host text, hosts text[]) returns boolean
language sql immutable parallel safe
return cardinality(hosts) > 0 and exists (
  select from unnest(hosts) as listed (host)
  where is_among.host = listed.host or right(is_among.host, length(listed.host) + 1) = '.' || listed.host
);

-- A percent-encoded text, decoded; malformed escapes stay as they are.
create or replace function store.percent_decoded(encoded text) returns text
language plpgsql immutable parallel safe
as $$
declare
  raw text := replace(encoded, '+', ' ');
  part text;
  bytes bytea := '';
begin
  if raw is null or position('%' in raw) = 0 then
    return nullif(raw, '');
  end if;
  for part in select matches.part[1] from regexp_matches(raw, '(%[0-9A-Fa-f]{2}|[^%]+|%)', 'g') as matches (part) loop
    bytes := bytes || case when part ~ '^%..$' then decode(substr(part, 2), 'hex') else convert_to(part, 'UTF8') end;
  end loop;
  begin
    return nullif(convert_from(bytes, 'UTF8'), '');
  exception when others then
    return raw; -- not UTF-8, or a NUL, which PostgreSQL cannot hold
  end;
end
$$;

-- What a touchpoint says of its campaign: `source`, `medium`, `name`, `id`, `term`, `content` and click ids, from the
-- campaign of its context, its list of click ids, or the query of its page; null when it says nothing. Keys are in order of
-- precedence where that matters.
create or replace function store.campaign_of(context jsonb) returns jsonb
language plpgsql immutable parallel safe
as $$
declare
  campaign jsonb := context -> 'campaign';
  clicks jsonb := context -> 'click_ids';
  query text := context -> 'page' ->> 'url';
  result jsonb := '{}';
  key text;
  parameter text;
  value text;
begin
  if query is null or position('?' in query) = 0 then
    query := context -> 'page' ->> 'search';
  end if;
  if position('utm_' in query) = 0 and position('clid=' in query) = 0 and position('msclkid=' in query) = 0
    and position('braid=' in query) = 0 and position('li_fat_id=' in query) = 0
  then
    query := null;
  end if;
  if campaign is null and clicks is null and query is null then
    return null;
  end if;
  if query is not null then
    foreach parameter in array string_to_array(split_part(split_part(query, '#', 1), '?', 2), '&') loop
      key := case split_part(parameter, '=', 1)
        when 'utm_source' then 'source' when 'utm_medium' then 'medium' when 'utm_campaign' then 'name' when 'utm_id' then 'id'
        when 'utm_term' then 'term' when 'utm_content' then 'content'
        when 'gclid' then 'gclid' when 'gbraid' then 'gbraid' when 'wbraid' then 'wbraid' when 'dclid' then 'dclid'
        when 'msclkid' then 'msclkid' when 'fbclid' then 'fbclid' when 'ttclid' then 'ttclid' when 'li_fat_id' then 'li_fat_id'
        when 'twclid' then 'twclid'
      end;
      value := btrim(store.percent_decoded(substr(parameter, position('=' in parameter) + 1)));
      if key is not null and value <> '' and not result ? key then
        result := result || jsonb_build_object(key, value);
      end if;
    end loop;
  end if;
  foreach key in array array['gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid', 'fbclid', 'ttclid', 'li_fat_id', 'twclid'] loop
    continue when not (campaign ? key or clicks ? key) is true;
    value := coalesce(store.text_of(campaign -> key), store.text_of(clicks -> key));
    if value is not null then
      result := result || jsonb_build_object(key, value);
    end if;
  end loop;
  if campaign is not null then
    foreach key in array array['source', 'medium', 'name', 'id', 'term', 'content'] loop
      value := store.text_of(campaign -> key);
      if value is not null then
        result := result || jsonb_build_object(key, value);
      end if;
    end loop;
  end if;
  return nullif(result, '{}');
end
$$;

-- The same, of contexts that mostly say nothing.
create or replace function store.campaign_said(context jsonb) returns jsonb
language sql immutable parallel safe
return case
  when context ? 'campaign' or context ? 'click_ids' or position('?' in context -> 'page' ->> 'url') > 0 or context -> 'page' ? 'search'
  then store.campaign_of(context)
end;

-- A campaign's tuple as one text, null when it brings none. Term and content alone are no campaign.
create or replace function store.campaign_tuple(campaign jsonb) returns text
language sql immutable parallel safe
return nullif(campaign - 'term' - 'content', '{}')::text;

-- The channel rules in order, first match wins: those of the site, then the shipped ones (site 0). A condition that is null
-- says nothing. Comparisons ignore case.
create or replace function store.channel_of(site integer, source text, medium text, campaign text, category text) returns text
language plpgsql stable
as $$
declare
  the_source text := coalesce(lower(source), '');
  the_medium text := coalesce(lower(medium), '');
  the_campaign text := coalesce(lower(campaign), '');
  rules_site integer;
  found_channel text;
begin
  foreach rules_site in array case when site = 0 then array[0] else array[site, 0] end loop
    select rules.channel into found_channel
    from store.channel_rules as rules
    where rules.site_id = rules_site and case
      when rules.is_any then (the_source = any (rules.sources) or the_medium = any (rules.mediums)
        or the_campaign = any (rules.campaigns) or category = rules.source_category
        or the_source ~* rules.source_pattern or the_medium ~* rules.medium_pattern
        or the_campaign ~* rules.campaign_pattern) is true
      else (rules.sources is null or the_source = any (rules.sources))
        and (rules.mediums is null or the_medium = any (rules.mediums))
        and (rules.campaigns is null or the_campaign = any (rules.campaigns))
        and (rules.source_category is null or category is not distinct from rules.source_category)
        and (rules.source_pattern is null or the_source ~* rules.source_pattern)
        and (rules.medium_pattern is null or the_medium ~* rules.medium_pattern)
        and (rules.campaign_pattern is null or the_campaign ~* rules.campaign_pattern)
    end
    order by rules.position
    limit 1;
    if found then
      return found_channel;
    end if;
  end loop;
  return 'Unassigned';
end
$$;

-- The channel of what happened away from any screen; null for the rest.
create or replace function store.offline_channel_of(touchpoint_source text) returns text
language sql immutable parallel safe
return case touchpoint_source
  when 'store' then 'In Store' when 'phone' then 'Phone' when 'support' then 'Support' when 'event' then 'Event'
end;

-- The host that referred a touchpoint here; null for none, for the page's own, and for hosts that the site says are none:
-- its own and excluded ones, with their subdomains.
create or replace function store.referrer_of(context jsonb, no_referrers text[]) returns text
language plpgsql immutable parallel safe
as $$
declare
  referrer text := coalesce(context -> 'page' ->> 'referrer', context ->> 'referrer');
begin
  if referrer is null then
    return null;
  end if;
  referrer := store.host_of(referrer);
  if referrer = store.host_of(context -> 'page' ->> 'url') or store.is_among(referrer, no_referrers) then
    return null;
  end if;
  return referrer;
end
$$;

-- The kind of site that a source is: as listed, by its country, or by its parent domains. `name` is what a search engine
-- is called as a source: google.co.uk and www.google.de are both `google`, as in Google Analytics.
create or replace function store.known_source_of(source text, out category text, out name text)
language plpgsql stable
as $$
declare
  labels text[] := string_to_array(source, '.');
  size integer := cardinality(labels);
  -- how many labels an ending has: two in co.uk and com.br
  ending integer := case when labels[size - 1] in ('co', 'com', 'net', 'org', 'edu', 'gov', 'it', 'or', 'ne', 'ac') then 2 else 1 end;
  itself text[] := array[source];
  parents text[] := '{}';
begin
  if size > 1 then
    if length(labels[size]) < 4 and size > ending then
      itself := itself || (array_to_string(labels[:size - ending], '.') || '.{}');
    end if;
    if length(labels[1]) = 2 then
      itself := itself || ('{}' || substr(source, 3));
    end if;
    for start in 2 .. size - 1 loop
      parents := parents || array_to_string(labels[start:], '.');
      if length(labels[size]) < 4 and size - start >= ending then
        parents := parents || (array_to_string(labels[start:size - ending], '.') || '.{}');
      end if;
      if length(labels[start]) = 2 then
        parents := parents || ('{}.' || array_to_string(labels[start + 1:], '.'));
      end if;
    end loop;
  end if;
  select source_categories.category, source_categories.name into category, name
  from store.source_categories
  where source_categories.source = any (itself || parents)
    and (source_categories.has_subdomains or source_categories.source = any (itself))
  order by array_position(itself || parents, source_categories.source)
  limit 1;
end
$$;

-- What of a campaign decides the way somebody came: of click ids which one it is, not the one given to this click.
create or replace function store.way_of(campaign jsonb) returns jsonb
language plpgsql immutable parallel safe
as $$
declare
  click_ids constant text[] := '{gclid,gbraid,wbraid,dclid,msclkid,fbclid,ttclid,li_fat_id,twclid}';
  click_id text;
begin
  if campaign ?| click_ids and not campaign ?| '{source,medium,name}' then
    foreach click_id in array click_ids loop
      exit when campaign ? click_id;
    end loop;
  end if;
  return nullif(
    (campaign - click_ids - 'id') || case when click_id is null then '{}' else jsonb_build_object(click_id, true) end, '{}'
  );
end
$$;

-- Where a touchpoint came from, by what decides it: touchpoints that say alike of campaign, referrer and source came the same
-- way. `touchpoint_source` is where it happened (web, app, store, phone …); `site` is 0 where the shipped rules are all.
create or replace function store.traffic_by(site integer, campaign jsonb, referrer text, touchpoint_source text)
returns store.traffic
language plpgsql stable
as $$
declare
  category text;
  engine text;
  found store.traffic;
  click text;
  is_referred boolean := false;
begin
  found.channel := store.offline_channel_of(touchpoint_source);
  if found.channel is not null then
    return found;
  end if;

  -- Metrics are kept by these, so whoever writes a link cannot make them longer than an index holds.
  found.source := left(campaign ->> 'source', 200);
  found.medium := left(campaign ->> 'medium', 200);
  found.campaign := left(campaign ->> 'name', 200);
  found.term := left(campaign ->> 'term', 200);
  found.content := left(campaign ->> 'content', 200);

  if found.source is null and found.medium is null and found.campaign is null then
    foreach click in array case when campaign is null then '{}'::text[] else
      array['gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid', 'fbclid', 'ttclid', 'li_fat_id', 'twclid'] end
    loop
      exit when campaign ? click;
      click := null;
    end loop;
    if click is not null then
      found.source := case
        when click in ('gclid', 'gbraid', 'wbraid', 'dclid') then 'google'
        when click = 'msclkid' then 'bing'
        when click = 'fbclid' then 'facebook'
        when click = 'ttclid' then 'tiktok'
        when click = 'li_fat_id' then 'linkedin'
        else 'twitter'
      end;
      found.medium := case when click in ('gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid') then 'cpc' else 'social' end;
    elsif referrer is not null then
      select known.category, known.name into category, engine from store.known_source_of(referrer) as known;
      is_referred := category is distinct from 'payment';
      if category = 'search' then
        found.source := coalesce(engine, referrer);
        found.medium := 'organic';
      elsif is_referred then
        found.source := referrer;
        found.medium := case when category = 'mail' then 'email' else 'referral' end;
      end if;
    end if;
    if found.source is null then
      if touchpoint_source = 'email' then
        found.channel := 'Email';
        return found;
      elsif touchpoint_source not in ('web', 'app') then
        found.channel := 'Unassigned';
        return found;
      end if;
      found.source := '(direct)';
      found.medium := '(none)';
    end if;
  end if;

  if not is_referred and found.source <> '(direct)' then
    -- In utm_source a host may stand as people write it.
    select known.category into category from store.known_source_of(coalesce(
      case
        when position('/' in found.source) > 0 then store.host_of(found.source)
        when position('.' in found.source) > 0 then store.host_of('host://' || found.source)
      end,
      lower(found.source)
    )) as known;
  end if;
  found.channel := store.channel_of(site, found.source, found.medium, found.campaign, category);
  return found;
end
$$;

-- The site whose rules are to be asked: 0 where it has none of its own.
create or replace function store.rules_site_of(site integer) returns integer
language sql stable
return case when exists (select from store.channel_rules where channel_rules.site_id = rules_site_of.site) then site else 0 end;

-- Where a touchpoint came from.
create or replace function store.traffic_of(site integer, context jsonb, touchpoint_source text, no_referrers text[])
returns store.traffic
language sql stable
return store.traffic_by(
  store.rules_site_of(site), store.campaign_of(context), store.referrer_of(context, no_referrers), touchpoint_source
);

-- The channel of a touchpoint for itself, for whoever may read the views: those have no rights to what traffic_of looks up.
create or replace function store.own_channel_of(
  site integer, context jsonb, touchpoint_source text, no_referrers text[]
) returns text
language plpgsql stable security definer
set search_path = store, pg_temp
as $$
begin
  return (store.traffic_of(site, context, touchpoint_source, no_referrers)).channel;
end
$$;

-- GA4's default channel group in GA4's order (support.google.com/analytics/answer/9756891); AI Assistant is Milepost's,
-- tried after the paid rules and before Referral.
delete from store.channel_rules where channel_rules.site_id = 0;
insert into store.channel_rules
  (site_id, position, channel, sources, mediums, medium_pattern, campaign_pattern, source_category, is_any)
values
  (0, 10, 'Direct', '{(direct),""}', '{(none),(not set),""}', null, null, null, false),
  (0, 20, 'Cross-network', null, null, null, 'cross-network', null, false),
  (0, 30, 'Paid Shopping', null, null, '^(.*cp.*|ppc|retargeting|paid.*)$', null, 'shopping', false),
  (0, 31, 'Paid Shopping', null, null, '^(.*cp.*|ppc|retargeting|paid.*)$', '^(.*(([^a-df-z]|^)shop|shopping).*)$', null, false),
  (0, 40, 'Paid Search', null, null, '^(.*cp.*|ppc|retargeting|paid.*)$', null, 'search', false),
  (0, 50, 'Paid Social', null, null, '^(.*cp.*|ppc|retargeting|paid.*)$', null, 'social', false),
  (0, 60, 'Paid Video', null, null, '^(.*cp.*|ppc|retargeting|paid.*)$', null, 'video', false),
  (0, 70, 'Display', null, '{display,banner,expandable,interstitial,cpm}', null, null, null, false),
  (0, 80, 'Paid Other', null, null, '^(.*cp.*|ppc|retargeting|paid.*)$', null, null, false),
  (0, 85, 'AI Assistant', null, null, null, null, 'assistant', false),
  (0, 90, 'Organic Shopping', null, null, null, '^(.*(([^a-df-z]|^)shop|shopping).*)$', 'shopping', true),
  (0, 100, 'Organic Social', null, '{social,social-network,social-media,sm,social network,social media}', null, null, 'social', true),
  (0, 110, 'Organic Video', null, null, '^.*video.*$', null, 'video', true),
  (0, 120, 'Organic Search', null, '{organic}', null, null, 'search', true),
  (0, 130, 'Referral', null, '{referral,app,link}', null, null, null, false),
  (0, 140, 'Email', '{email,e-mail,e_mail,e mail}', '{email,e-mail,e_mail,e mail}', null, null, null, true),
  (0, 150, 'Affiliates', null, '{affiliate}', null, null, null, false),
  (0, 160, 'Audio', null, '{audio}', null, null, null, false),
  (0, 170, 'SMS', '{sms}', '{sms}', null, null, null, true),
  (0, 180, 'Mobile Push Notifications', '{firebase}', null, '(push$|mobile|notification)', null, null, true);
