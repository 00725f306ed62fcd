import { arrivalOf, popularProduct, type Product } from './catalogue.ts';
import { type Device, type Person, sessionCountOf } from './person.ts';
import { type Random, uuidV7 } from './random.ts';

/** What a simulated journey says, in the shape of `POST /v1/events`. */
export type SimulatedTouchpoint = {
  id: string;
  name: string;
  type?: 'track' | 'page' | 'identify';
  anonymous_id?: string;
  user_id?: string;
  occurred_at: string;
  source: 'web' | 'server' | 'store' | 'support';
  properties?: Record<string, unknown>;
  traits?: Record<string, unknown>;
  context?: Record<string, unknown>;
};

/** One touchpoint, when it leaves its sender, and who sends it: a browser's write key or the shop's secret key. */
export type Emission = { sendAtMs: number; by: 'browser' | 'server'; touchpoint: SimulatedTouchpoint };

type Cart = { id: string; lines: Map<string, { product: Product; quantity: number }> };
type Visit = { person: Person; device: Device; random: Random; emissions: Emission[]; origin: string };

const second = 1_000;
const hour = 3_600_000;
const day = 24 * hour;
const lateShare = 0.01;

/**
 * Everything one person does from `fromMs` on, in the order of sending: sessions on their devices, a cart that
 * outlives a session, orders with what follows them (delivery, review, return), now and then a visit to the store.
 */
export function journeyOf(
  person: Person,
  { random, fromMs, origin }: { random: Random; fromMs: number; origin: string },
): Emission[] {
  const emissions: Emission[] = [];
  let atMs = fromMs;
  let cart: Cart | null = null;
  let orders = 0;
  const sessions = sessionCountOf(person, random);
  for (let session = 0; session < sessions; session += 1) {
    const device = random.pick(person.devices);
    const visit: Visit = { person, device, random, emissions, origin };
    atMs = browse(visit, atMs);
    const { cart: wantsCart, checkout, pay } = person.habit;
    if (cart !== null || random.chance(wantsCart)) {
      cart ??= { id: `c-${person.index + 1}-${session + 1}`, lines: new Map() };
      atMs = fillCart(visit, { cart, atMs });
      if (random.chance(checkout)) {
        const isPaid = random.chance(pay);
        atMs = checkOut(visit, { cart, atMs });
        if (isPaid) {
          orders += 1;
          const orderId = `o-${person.index + 1}-${orders}`;
          atMs = purchase(visit, { cart, orderId, atMs });
          afterOrder(visit, { cart, orderId, atMs });
          cart = null;
        }
      }
    }
    atMs += 2 * hour + random.wait(person.habit.daysBetween * day);
  }
  if (person.habit.name === 'regular' && random.chance(0.3)) visitStore(person, { random, emissions, atMs });
  return emissions.sort((one, other) => one.sendAtMs - other.sendAtMs);
}

function emit(
  visit: Visit,
  atMs: number,
  said: { name: string; path: string; properties?: Record<string, unknown>; isPage?: true; arrival?: object },
): void {
  const { person, device, random, origin } = visit;
  const lateMs = random.chance(lateShare) ? 60 * second + random.below(3 * hour) : 0;
  visit.emissions.push({
    sendAtMs: atMs + lateMs,
    by: 'browser',
    touchpoint: {
      id: uuidV7(atMs, random),
      name: said.name,
      type: said.isPage ? 'page' : 'track',
      anonymous_id: device.anonymousId,
      ...(person.signedIn.has(device) && { user_id: person.userId }),
      occurred_at: new Date(atMs).toISOString(),
      source: 'web',
      ...(said.properties && { properties: said.properties }),
      context: {
        page: { url: `${origin}${said.path}`, path: said.path.split('?')[0], ...said.arrival },
        userAgent: device.agent.userAgent,
        device: { type: device.agent.kind },
        screen: device.agent.screen,
      },
    },
  });
}

/** Lands on a page, looks at lists and products, sometimes searches; returns when that ended. */
function browse(visit: Visit, startMs: number): number {
  const { random } = visit;
  const { query, referrer } = arrivalOf(random);
  let atMs = startMs;
  emit(visit, atMs, {
    name: 'page_view',
    path: `/${query ?? ''}`,
    isPage: true,
    ...(referrer && { arrival: { referrer } }),
  });
  const pages = Math.min(12, Math.floor(random.wait(3)));
  for (let page = 0; page < pages; page += 1) {
    atMs += 2 * second + Math.floor(random.wait(25 * second));
    const product = popularProduct(random);
    const kind = random.unit();
    if (kind < 0.2) {
      const category = product.item_category;
      emit(visit, atMs, {
        name: 'view_item_list',
        path: `/list/${category.toLowerCase()}`,
        properties: { item_list_name: category },
      });
    } else if (kind < 0.3) {
      const term = product.item_name.split(' ')[1] ?? 'beans';
      emit(visit, atMs, { name: 'search', path: `/search?q=${term}`, properties: { search_term: term } });
    } else if (kind < 0.9) {
      emit(visit, atMs, {
        name: 'view_item',
        path: `/product/${product.item_id}`,
        properties: { currency: 'EUR', value: product.price, items: [{ ...product, quantity: 1 }] },
      });
    } else {
      emit(visit, atMs, { name: 'page_view', path: '/about', isPage: true });
    }
  }
  return atMs;
}

function fillCart(visit: Visit, { cart, atMs: startMs }: { cart: Cart; atMs: number }): number {
  const { random } = visit;
  let atMs = startMs;
  const additions = 1 + random.below(3);
  for (let addition = 0; addition < additions; addition += 1) {
    atMs += 5 * second + Math.floor(random.wait(40 * second));
    const product = popularProduct(random);
    const line = cart.lines.get(product.item_id);
    cart.lines.set(product.item_id, { product, quantity: (line?.quantity ?? 0) + 1 });
    emit(visit, atMs, {
      name: 'add_to_cart',
      path: `/product/${product.item_id}`,
      properties: {
        cart_id: cart.id,
        currency: 'EUR',
        value: product.price,
        items: [{ ...product, quantity: 1 }],
      },
    });
  }
  if (cart.lines.size > 1 && random.chance(0.1)) {
    atMs += 8 * second;
    const [removed] = cart.lines.values();
    if (removed !== undefined) {
      cart.lines.delete(removed.product.item_id);
      emit(visit, atMs, {
        name: 'remove_from_cart',
        path: '/cart',
        properties: {
          cart_id: cart.id,
          currency: 'EUR',
          items: [{ ...removed.product, quantity: removed.quantity }],
        },
      });
    }
  }
  atMs += 6 * second;
  emit(visit, atMs, { name: 'view_cart', path: '/cart', properties: cartProperties(cart) });
  return atMs;
}

function checkOut(visit: Visit, { cart, atMs: startMs }: { cart: Cart; atMs: number }): number {
  const { person, device, random } = visit;
  let atMs = startMs + 10 * second + Math.floor(random.wait(20 * second));
  if (!person.signedIn.has(device) && random.chance(0.7)) {
    person.signedIn.add(device);
    emit(visit, atMs, { name: 'login', path: '/sign-in', properties: { method: 'password' } });
    visit.emissions.push({
      sendAtMs: atMs + 1,
      by: 'browser',
      touchpoint: {
        id: uuidV7(atMs + 1, random),
        name: 'identify',
        type: 'identify',
        anonymous_id: device.anonymousId,
        user_id: person.userId,
        occurred_at: new Date(atMs + 1).toISOString(),
        source: 'web',
        traits: { email: person.email },
      },
    });
    atMs += 4 * second;
  }
  for (const step of ['begin_checkout', 'add_shipping_info', 'add_payment_info']) {
    emit(visit, atMs, { name: step, path: '/checkout', properties: cartProperties(cart) });
    atMs += 8 * second + Math.floor(random.wait(30 * second));
    if (random.chance(0.08)) break;
  }
  return atMs;
}

function purchase(
  visit: Visit,
  { cart, orderId, atMs }: { cart: Cart; orderId: string; atMs: number },
): number {
  const properties = { ...cartProperties(cart), transaction_id: orderId, shipping: 4.9 };
  emit(visit, atMs, { name: 'purchase', path: '/thank-you', properties });
  return atMs + second;
}

/** Delivery, review and return are said by the shop's server or come days later from the buyer's own browser. */
function afterOrder(
  visit: Visit,
  { cart, orderId, atMs }: { cart: Cart; orderId: string; atMs: number },
): void {
  const { person, device, random } = visit;
  const fromServer = (name: string, afterDays: number, properties: Record<string, unknown>) => {
    const thenMs = atMs + Math.floor(afterDays * day);
    visit.emissions.push({
      sendAtMs: thenMs,
      by: 'server',
      touchpoint: {
        id: uuidV7(thenMs, random),
        name,
        ...(person.signedIn.has(device) ? { user_id: person.userId } : { anonymous_id: device.anonymousId }),
        occurred_at: new Date(thenMs).toISOString(),
        source: name === 'support_ticket_opened' ? 'support' : 'server',
        properties: { transaction_id: orderId, ...properties },
      },
    });
  };
  fromServer('order_shipped', 0.8, {});
  fromServer('order_delivered', 2 + random.unit(), {});
  const [line] = cart.lines.values();
  if (line !== undefined && random.chance(person.habit.review)) {
    const laterMs = atMs + Math.floor((4 + random.wait(3)) * day);
    emit(visit, laterMs, {
      name: 'review_submitted',
      path: `/product/${line.product.item_id}`,
      properties: { product_id: line.product.item_id, rating: 3 + random.below(3), scale: 5 },
    });
  }
  if (line !== undefined && random.chance(person.habit.return)) {
    fromServer('support_ticket_opened', 5, { subject: 'return' });
    fromServer('refund', 8 + random.unit(), {
      refund_id: `r-${orderId}`,
      currency: 'EUR',
      value: line.product.price,
    });
  }
}

/** A loyal customer buys at the counter and shows the loyalty card; the till reports it with the secret key. */
function visitStore(
  person: Person,
  { random, emissions, atMs }: { random: Random; emissions: Emission[]; atMs: number },
): void {
  const product = popularProduct(random);
  emissions.push({
    sendAtMs: atMs + 20 * 60 * second,
    by: 'server',
    touchpoint: {
      id: uuidV7(atMs, random),
      name: 'purchase',
      user_id: person.userId,
      occurred_at: new Date(atMs).toISOString(),
      source: 'store',
      properties: {
        transaction_id: `till-${person.index + 1}`,
        currency: 'EUR',
        value: product.price,
        items: [{ ...product, quantity: 1 }],
      },
    },
  });
}

function cartProperties(cart: Cart): Record<string, unknown> {
  const items = [...cart.lines.values()].map(({ product, quantity }) => ({ ...product, quantity }));
  const cents = items.reduce((sum, item) => sum + Math.round(item.price * 100) * item.quantity, 0);
  return { cart_id: cart.id, currency: 'EUR', value: cents / 100, items };
}
