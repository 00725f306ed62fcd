import { type Random, weighted, zipf } from './random.ts';

/** A product of the simulated shop, named as GA4 names items. */
export type Product = { item_id: string; item_name: string; item_category: string; price: number };

const lines = [
  { category: 'Coffee', things: ['Espresso beans', 'Filter roast', 'Decaf', 'Cold brew'], price: 14 },
  { category: 'Brewing', things: ['Hand grinder', 'Pour-over set', 'French press'], price: 49 },
  { category: 'Cups', things: ['Mug', 'Travel cup', 'Tasting glass'], price: 18 },
  { category: 'Machines', things: ['Lever machine', 'Burr grinder'], price: 389 },
] as const;
const variants = ['Aurora', 'Basalt', 'Cedar', 'Dune', 'Ember'];

/** Sixty products in four categories, the same in every run. */
export const products: readonly Product[] = lines.flatMap(({ category, things, price }) =>
  things.flatMap((thing, thingIndex) =>
    variants.map((variant, variantIndex) => ({
      item_id: `${category.slice(0, 2).toUpperCase()}-${thingIndex + 1}${variantIndex + 1}`,
      item_name: `${variant} ${thing.toLowerCase()}`,
      item_category: category,
      price: Math.round(price * (1 + 0.13 * variantIndex + 0.2 * thingIndex) * 100) / 100,
    })),
  ),
);

const productByRank = zipf(products.length);

/** A product by popularity: few are seen often, most seldom. */
export function popularProduct(random: Random): Product {
  const product = products[productByRank(random)];
  if (product === undefined) throw new RangeError('no such product');
  return product;
}

/** How a session began: what the landing page's address and referrer say. */
export type Arrival = { campaign?: Record<string, string>; referrer?: string; query?: string };

const arrivals: readonly (Arrival & { weight: number })[] = [
  { weight: 30 },
  { weight: 28, referrer: 'https://www.google.com/' },
  {
    weight: 14,
    campaign: { source: 'google', medium: 'cpc', name: 'brand' },
    query: '?utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=sim',
    referrer: 'https://www.google.com/',
  },
  {
    weight: 10,
    campaign: { source: 'newsletter', medium: 'email', name: 'november' },
    query: '?utm_source=newsletter&utm_medium=email&utm_campaign=november',
  },
  { weight: 8, referrer: 'https://www.instagram.com/' },
  {
    weight: 5,
    campaign: { source: 'facebook', medium: 'paid_social', name: 'winter' },
    query: '?utm_source=facebook&utm_medium=paid_social&utm_campaign=winter',
    referrer: 'https://www.facebook.com/',
  },
  { weight: 3, referrer: 'https://coffee-notes.example/best-grinders' },
  { weight: 2, referrer: 'https://chatgpt.com/' },
];
const arrivalByWeight = weighted(arrivals.map((arrival) => arrival.weight));

/** How this session came to the shop. */
export function arrivalOf(random: Random): Arrival {
  return arrivals[arrivalByWeight(random)] ?? {};
}

/** A browser as it describes itself. */
export type Agent = { kind: 'desktop' | 'mobile' | 'tablet'; userAgent: string; screen: string };

/** Common browsers; none of them is a bot. */
export const agents: readonly Agent[] = [
  {
    kind: 'desktop',
    userAgent:
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    screen: '1920x1080',
  },
  {
    kind: 'desktop',
    userAgent:
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
    screen: '1512x982',
  },
  {
    kind: 'mobile',
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
    screen: '393x852',
  },
  {
    kind: 'mobile',
    userAgent:
      'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
    screen: '412x915',
  },
  {
    kind: 'tablet',
    userAgent:
      'Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
    screen: '820x1180',
  },
];
