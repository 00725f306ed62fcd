import { amountOf, figureOf, type Amount } from './amounts.ts';
import { campaignOf, channelOf, originOf, type Origin } from './channels.ts';
import type { Identities } from './identity.ts';
import { byOrder, isAct, isHuman, isoOf, second, type Settings, type Touchpoint } from './inputs.ts';
import { objectIn, textIn } from './properties.ts';

export type Session = {
  session_id: string;
  visitor_id: string;
  person_id: string;
  touchpoints: Touchpoint[];
  origin: Origin;
  channel: string;
  device: string | null;
};

/** Only what a browser or app did with an anonymous id forms sessions. */
function formsSessions(touchpoint: Touchpoint): boolean {
  return (
    isHuman(touchpoint) &&
    isAct(touchpoint) &&
    touchpoint.anonymous_id !== null &&
    ['web', 'app'].includes(touchpoint.source)
  );
}

/** Section 4. */
export function sessionsOf(touchpoints: Touchpoint[], identities: Identities, settings: Settings): Session[] {
  const sessions: Session[] = [];
  const own = touchpoints.filter(formsSessions).sort(byOrder);
  for (const visitor of new Set(own.map((touchpoint) => touchpoint.anonymous_id!))) {
    let session: Session | null = null;
    let campaign: string | null = null;
    for (const touchpoint of own.filter((candidate) => candidate.anonymous_id === visitor)) {
      const said = campaignOf(touchpoint);
      const brought = Object.keys(said).length === 0 ? null : JSON.stringify(said);
      const person = identities.personOf(touchpoint);
      const first = session?.touchpoints[0];
      const last = session?.touchpoints.at(-1);
      const isNew =
        !session ||
        touchpoint.occurred_at - last!.occurred_at >= settings.session_gap ||
        touchpoint.occurred_at - first!.occurred_at >= settings.session_limit ||
        person !== session.person_id ||
        (settings.is_session_split_by_campaign && brought !== null && brought !== campaign);
      if (isNew) {
        const origin = originOf(touchpoint, settings);
        session = {
          session_id: touchpoint.touchpoint_id,
          visitor_id: visitor,
          person_id: person,
          touchpoints: [],
          origin,
          channel: channelOf(origin, settings),
          device: textIn(objectIn(touchpoint.context, 'device'), 'type')?.toLowerCase().slice(0, 50) ?? null,
        };
        sessions.push(session);
        campaign = null;
      }
      session!.touchpoints.push(touchpoint);
      campaign = brought ?? campaign;
    }
  }
  return sessions;
}

/** The session of each touchpoint that has one. */
export function sessionByTouchpoint(sessions: Session[]): Map<string, Session> {
  return new Map(
    sessions.flatMap((session) =>
      session.touchpoints.map((touchpoint) => [touchpoint.touchpoint_id, session]),
    ),
  );
}

export function startOf(session: Session): number {
  return session.touchpoints[0]!.occurred_at;
}

/** One row of journey.sessions. */
export function sessionRow(session: Session, hasConversion: boolean, settings: Settings) {
  const { touchpoints } = session;
  const end = touchpoints.at(-1)!.occurred_at;
  const engaged = touchpoints.reduce((sum, touchpoint) => sum + engagedMsOf(touchpoint), 0n);
  const engagedMs = figureOf(engaged);
  const pageViews = touchpoints.filter(isPageView).length;
  const pages = touchpoints.map(pageOf).filter((page) => page !== null);
  return {
    session_id: session.session_id,
    visitor_id: session.visitor_id,
    person_id: session.person_id,
    started_at: isoOf(startOf(session)),
    ended_at: isoOf(end),
    duration_seconds: (end - startOf(session)) / second,
    engaged_seconds: engagedMs / second,
    is_engaged: engagedMs >= settings.engaged_after || pageViews >= 2 || hasConversion,
    page_view_count: pageViews,
    touchpoint_count: touchpoints.length,
    entry_page: pages[0] ?? null,
    exit_page: pages.at(-1) ?? null,
    channel: session.channel,
    ...session.origin,
    device: session.device,
  };
}

function engagedMsOf(touchpoint: Touchpoint): Amount {
  if (touchpoint.name !== 'user_engagement') return 0n;
  return amountOf(touchpoint.properties?.['engagement_time_msec']) ?? 0n;
}

function isPageView(touchpoint: Touchpoint): boolean {
  return (
    ['page', 'screen'].includes(touchpoint.type) || ['page_view', 'screen_view'].includes(touchpoint.name)
  );
}

function pageOf(touchpoint: Touchpoint): string | null {
  const page = objectIn(touchpoint.context, 'page');
  const path = textIn(page, 'path');
  const url = textIn(page, 'url');
  return path ?? (url !== null && URL.canParse(url) ? new URL(url).pathname : null);
}
