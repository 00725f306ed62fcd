import { newId } from '@milepost/shared';
import type { Link } from './token.ts';

/** What happened to a link. */
export type LinkEvent = 'email_opened' | 'email_clicked' | 'page_view';

/** What it means that the pixel of a link was fetched. */
export function openOf({ page }: Link): LinkEvent {
  return page === null ? 'email_opened' : 'page_view';
}

// These fetch images at the moment somebody opens the message, in place of the browser.
const readersProxy = /GoogleImageProxy|YahooMailProxy/i;

/** The touchpoint of an open, a view or a click: the person is whom the link was made for, whoever holds it now. */
export function touchpointOf(
  link: Link,
  { name, now, userAgent }: { name: LinkEvent; now: number; userAgent: string | undefined },
): Record<string, unknown> {
  const { target, page, campaign, consent } = link;
  const isView = name === 'page_view' && page !== null;
  const properties = { ...link.properties, ...(name === 'email_clicked' && { link_url: target }) };
  const context = {
    ...(isView && { page: { url: page, path: new URL(page).pathname } }),
    ...(campaign !== null && { campaign }),
    ...(consent != null && { consent }),
    // mail servers that look at every link say so here
    ...(userAgent !== undefined && !readersProxy.test(userAgent) && { userAgent }),
  };
  return {
    id: newId(now),
    name,
    occurred_at: now,
    source: isView ? 'web' : 'email',
    ...(link.anonymousId !== null && { anonymous_id: link.anonymousId }),
    ...(link.userId !== null && { user_id: link.userId }),
    ...(link.identities !== null && { identities: link.identities }),
    properties,
    context,
  };
}

const parameters = {
  source: 'source',
  medium: 'medium',
  name: 'campaign',
  term: 'term',
  content: 'content',
  id: 'id',
};

/**
 * The target with the campaign as UTM parameters, so that the visit a click leads to gets its source. A target that
 * has any of its own keeps those alone.
 */
export function taggedTarget(target: string, campaign: Link['campaign']): string {
  const url = new URL(target);
  const hasOwn = [...url.searchParams.keys()].some((key) => key.toLowerCase().startsWith('utm_'));
  if (campaign === null || hasOwn) return url.href;
  for (const [field, parameter] of Object.entries(parameters)) {
    const value = campaign[field];
    if (value !== undefined) url.searchParams.set(`utm_${parameter}`, String(value));
  }
  return url.href;
}
