-- Where a touchpoint came from: source, medium, campaign and channel (SEMANTICS 5).

-- The host of a URL, lower-cased, without port and without a leading `www.`; null when there is none.
create or replace function store.host_of(url text) returns text
language sql immutable parallel safe
return nullif(regexp_replace(lower(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)')), '^www\.', ''), '');

-- The value of a parameter in a URL or query string, percent-decoded; malformed escapes stay as they are.
create or replace function store.parameter_of(query text, name text) returns text
language plpgsql immutable parallel safe
as $$
declare
  raw text := replace(substring(query from '[?&]' || name || '=([^&#]*)'), '+', ' ');
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

-- The query of the page a touchpoint happened on, if it names a campaign or a click id; null otherwise.
create or replace function store.campaign_query_of(context jsonb) returns text
language sql immutable parallel safe
return case
  when context #>> '{page,url}' ~ '[?&](utm_[a-z]+|gclid|gbraid|wbraid|dclid|msclkid|fbclid|ttclid|li_fat_id|twclid)=' then context #>> '{page,url}'
  when context #>> '{page,search}' ~ '[?&](utm_[a-z]+|gclid|gbraid|wbraid|dclid|msclkid|fbclid|ttclid|li_fat_id|twclid)=' then context #>> '{page,search}'
end;

-- The click ids of a touchpoint as `name=value`, in order of precedence: from the campaign, the list of click ids, the query.
create or replace function store.click_ids_of(campaign jsonb, clicks jsonb, query text) returns text[]
language plpgsql immutable parallel safe
as $$
declare
  name text;
  click text;
  result text[] := '{}';
  query text := case when click_ids_of.query ~ '[?&](gclid|gbraid|wbraid|dclid|msclkid|fbclid|ttclid|li_fat_id|twclid)=' then click_ids_of.query end;
begin
  if clicks is null and query is null and campaign is null or clicks is null and query is null and not campaign ?| array['gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid', 'fbclid', 'ttclid', 'li_fat_id', 'twclid'] then
    return result;
  end if;
  foreach name in array array['gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid', 'fbclid', 'ttclid', 'li_fat_id', 'twclid'] loop
    click := coalesce(store.text_of(campaign -> name), store.text_of(clicks -> name));
    if click is null and query is not null then
      click := store.parameter_of(query, name);
    end if;
    if click is not null then
      result := result || (name || '=' || click);
    end if;
  end loop;
  return result;
end
$$;

-- The campaign tuple of a touchpoint as one text, null when it brings none: source, medium, name, id and click ids.
create or replace function store.campaign_key(context jsonb) returns text
language plpgsql immutable parallel safe
as $$
declare
  campaign jsonb := context -> 'campaign';
  clicks jsonb := context -> 'click_ids';
  query text := store.campaign_query_of(context);
  parts text[];
begin
  if campaign is null and clicks is null and query is null then
    return null;
  end if;
  parts := array[
    store.text_of(campaign -> 'source'), store.text_of(campaign -> 'medium'),
    store.text_of(campaign -> 'name'), store.text_of(campaign -> 'id')
  ];
  if query is not null then
    parts := array[
      coalesce(parts[1], store.parameter_of(query, 'utm_source')), coalesce(parts[2], store.parameter_of(query, 'utm_medium')),
      coalesce(parts[3], store.parameter_of(query, 'utm_campaign')), coalesce(parts[4], store.parameter_of(query, 'utm_id'))
    ];
  end if;
  return nullif(
    array_to_string(parts, E'\x1f', '') || E'\x1f' || array_to_string(store.click_ids_of(campaign, clicks, query), '&'),
    E'\x1f\x1f\x1f\x1f'
  );
end
$$;

-- The channel rules in order, first match wins; a condition that is null says nothing. Comparisons ignore case.
create or replace function store.channel_of(source text, medium text, campaign text, category text) returns text
language plpgsql stable
as $$
declare
  the_source text := coalesce(lower(source), '');
  the_medium text := coalesce(lower(medium), '');
  the_campaign text := coalesce(lower(campaign), '');
  rule store.channel_rules;
begin
  for rule in
    select channel_rules.* from store.channel_rules where channel_rules.site_id = 0 order by channel_rules.position
  loop
    if rule.is_any then
      if the_source = any (rule.sources) or the_medium = any (rule.mediums) or category = rule.source_category
        or the_medium ~ rule.medium_pattern or the_campaign ~ rule.campaign_pattern
      then
        return rule.channel;
      end if;
    elsif (rule.sources is null or the_source = any (rule.sources))
      and (rule.mediums is null or the_medium = any (rule.mediums))
      and (rule.source_category is null or category is not distinct from rule.source_category)
      and (rule.medium_pattern is null or the_medium ~ rule.medium_pattern)
      and (rule.campaign_pattern is null or the_campaign ~ rule.campaign_pattern)
    then
      return rule.channel;
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

-- Where a touchpoint came from. `touchpoint_source` is where it happened (web, app, store, phone …).
create or replace function store.traffic_of(context jsonb, touchpoint_source text, own_hosts text[]) returns store.traffic
language plpgsql stable
as $$
declare
  campaign jsonb := context -> 'campaign';
  clicks jsonb := context -> 'click_ids';
  query text := store.campaign_query_of(context);
  referrer text;
  category text;
  found store.traffic;
  click text;
begin
  found.channel := store.offline_channel_of(touchpoint_source);
  if found.channel is not null then
    return found;
  end if;

  found.source := coalesce(store.text_of(campaign -> 'source'), store.parameter_of(query, 'utm_source'));
  found.medium := coalesce(store.text_of(campaign -> 'medium'), store.parameter_of(query, 'utm_medium'));
  found.campaign := coalesce(store.text_of(campaign -> 'name'), store.parameter_of(query, 'utm_campaign'));
  found.term := coalesce(store.text_of(campaign -> 'term'), store.parameter_of(query, 'utm_term'));
  found.content := coalesce(store.text_of(campaign -> 'content'), store.parameter_of(query, 'utm_content'));

  if found.source is null and found.medium is null and found.campaign is null then
    click := split_part((store.click_ids_of(campaign, clicks, query))[1], '=', 1);
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
    else
      referrer := store.host_of(coalesce(context -> 'page' ->> 'referrer', context ->> 'referrer'));
      if referrer is not null
        and referrer is distinct from store.host_of(context -> 'page' ->> 'url')
        and not referrer = any (own_hosts)
      then
        category := store.category_of(referrer);
        if category = 'search' then
          found.source := store.search_engine_of(referrer);
          found.medium := 'organic';
        elsif category is distinct from 'payment' then
          found.source := referrer;
          found.medium := 'referral';
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
  end if;
  found.channel := store.channel_of(found.source, found.medium, found.campaign, store.category_of(lower(found.source)));
  return found;
end
$$;

-- The category of a source: as listed, by its parent domains, or by the name of a search engine under any suffix.
create or replace function store.category_of(source text) returns text
language plpgsql stable
as $$
declare
  candidate text := source;
  found_category text;
begin
  while candidate is not null loop
    select source_categories.category into found_category
    from store.source_categories
    where source_categories.source = candidate;
    if found then
      return found_category;
    end if;
    candidate := substring(candidate from '^[^.]+\.(.+\..+)$');
  end loop;
  if source ~ '(^|\.)(google|bing|yahoo|yandex|baidu|duckduckgo|ecosia|ask|naver|seznam)\.[a-z]{2,3}(\.[a-z]{2})?$' then
    return 'search';
  end if;
  return null;
end
$$;

-- google.co.uk and www.google.de are both the source `google`, as in Google Analytics.
create or replace function store.search_engine_of(host text) returns text
language sql immutable parallel safe
return coalesce(
  substring(host from '(?:^|\.)(google|bing|yahoo|yandex|baidu|duckduckgo|ecosia|ask|naver|seznam|qwant|startpage|aol)\.'),
  host
);

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
  (0, 150, 'Affiliates', null, '{affiliate,affiliates}', null, null, null, false),
  (0, 160, 'Audio', null, '{audio}', null, null, null, false),
  (0, 170, 'SMS', '{sms}', '{sms}', null, null, null, true),
  (0, 180, 'Mobile Push Notifications', '{firebase}', null, '(push$|mobile|notification)', null, null, true);
