import { createTracker, type Filter, type Plugin } from '../src/index.ts';
import { journey } from '../src/plugins/journey.ts';

// Read by tsc only: what the types allow, and what they must not.

/** A shop's own events. */
type ShopEvents = {
  quiz_finished: { score: number };
  newsletter_closed: { after_ms?: number };
};

const shop = createTracker<ShopEvents>({ writeKey: 'wk_1' });
shop.track('quiz_finished', { score: 7 });
shop.track('newsletter_closed');
shop.track('newsletter_closed', { after_ms: 5 });
// @ts-expect-error: no such event
shop.track('quiz_finnished', { score: 7 });
// @ts-expect-error: the score is a number
shop.track('quiz_finished', { score: '7' });
// @ts-expect-error: the score is required
shop.track('quiz_finished');
// @ts-expect-error: no such property
shop.track('quiz_finished', { score: 7, points: 3 });

const free = createTracker({ writeKey: 'wk_1' });
free.track('anything');
free.track('anything', { at: 'all' });
free.purchase({ transaction_id: 'o-1', currency: 'EUR', value: 10, items: [{ item_id: 'a' }] });
// @ts-expect-error: a purchase has a transaction_id
free.purchase({ value: 10 });
// @ts-expect-error: a write key is needed
createTracker({});
// @ts-expect-error: no such option
createTracker({ writeKey: 'wk_1', pageView: 'auto' });

const greeting: Plugin<{ greet: (name: string) => string }> = () => ({ greet: (name) => `hello ${name}` });
const quiet: Plugin<void> = ({ filter }) => filter((event) => (event.name === 'noise' ? null : event));
const equipped = createTracker({ writeKey: 'wk_1', plugins: [greeting, quiet, journey()] });
equipped.greet('ada').toUpperCase();
void equipped.journey();
// @ts-expect-error: nobody has added this
equipped.salute();

const beforeSend: Filter = (event) => ({ ...event, properties: { ...event.properties, shop: 'north' } });
createTracker<ShopEvents, [typeof greeting]>({ writeKey: 'wk_1', plugins: [greeting], beforeSend }).greet(
  'ada',
);
