import { type Fields, isFields } from './calls.ts';

/**
 * The context of a Segment call in our words. Most fields have the same names; an address is not kept, and traits
 * have a place of their own.
 */
export function contextOf(given: unknown, { type, properties }: { type: unknown; properties: unknown }) {
  if (given !== undefined && given !== null && !isFields(given)) return given; // judged as it is
  const { ip: _, ...context } = given ?? {};
  // Old libraries give their name alone.
  if (typeof context['library'] === 'string') context['library'] = { name: context['library'] };
  const page = pageOf(context['page'], { type, properties });
  if (page !== undefined) context['page'] = page;
  const device = deviceOf(context);
  if (device !== undefined) context['device'] = device;
  if (isFields(context['consent'])) context['consent'] = consentOf(context['consent']);
  return context;
}

const pageFields = ['url', 'path', 'title', 'referrer', 'search'];

/** A page call by a server, or by hand, says in its properties what the page was. */
function pageOf(page: unknown, { type, properties }: { type: unknown; properties: unknown }): unknown {
  if (isFields(page)) {
    // RudderStack's word for none
    return page['referrer'] === '$direct' ? { ...page, referrer: '' } : page;
  }
  if (page != null || type !== 'page' || !isFields(properties)) return page ?? undefined;
  const known = pageFields.filter((field) => typeof properties[field] === 'string');
  if (known.length === 0) return undefined;
  return Object.fromEntries(
    known.map((field) => [field, properties[field] === '$direct' ? '' : properties[field]]),
  );
}

/** Phone, tablet or desktop. Browsers do not say it; Segment's mobile libraries say the system instead. */
function deviceOf({ device, userAgent, userAgentData }: Fields): unknown {
  if (device != null && !isFields(device)) return undefined;
  const said = device?.['type'];
  if (said === 'ios' || said === 'android') {
    const isTablet = /ipad|tablet/i.test(`${String(device?.['model'])} ${String(device?.['name'])}`);
    return { ...device, type: isTablet ? 'tablet' : 'mobile', system: said };
  }
  if (said != null || typeof userAgent !== 'string') return undefined;
  const isMobile = isFields(userAgentData) && userAgentData['mobile'] === true;
  return { ...device, type: isMobile ? 'mobile' : deviceTypeOf(userAgent) };
}

/** By the rule of `deviceTypeOf` of the SDK, which asks the screen as well. */
function deviceTypeOf(userAgent: string): 'mobile' | 'tablet' | 'desktop' {
  if (/iPad|Tablet|Android(?!.*Mobile)/i.test(userAgent)) return 'tablet';
  return /Mobi/i.test(userAgent) ? 'mobile' : 'desktop';
}

/** Segment's consent is by category, named by the site; those named as ours are read. */
function consentOf(consent: Fields): Fields {
  const { categoryPreferences: preferences } = consent;
  if (!isFields(preferences)) return consent;
  const read: Fields = { ...consent };
  for (const [category, answer] of Object.entries(preferences)) {
    const purpose = purposes.get(category.trim().toLowerCase());
    if (purpose !== undefined && typeof answer === 'boolean') read[purpose] ??= answer;
  }
  return read;
}

const purposes = new Map([
  ['analytics', 'analytics'],
  ['marketing', 'marketing'],
  ['advertising', 'marketing'],
]);
