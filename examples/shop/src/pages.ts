import { readFileSync } from 'node:fs';
import { card, starChoice, stars, wishButton } from '../public/card.js';
import { categories, items, priceText, type Item } from '../public/catalogue.js';
import { Html, html } from '../public/html.js';
import { freeDeliveryFrom } from '../public/state.js';
import { fill } from './fill.ts';

/** Where the shop will stand, and what its pages embed. */
export type Place = { base: string; assets: string; snippet: Html };

type Page = { title: string; description?: string; module: string; main: string };

const pageFile = (name: string) => readFileSync(new URL(`../pages/${name}.html`, import.meta.url), 'utf8');
const slogan = 'Twelve good things for long walks, made to be used, mended and handed on.';

/** Every page of the shop by its path under the base, without `.html`. */
export function pagesOf(place: Place): Map<string, string> {
  const { base, assets } = place;
  const cards = (shown: readonly Item[], eagerCount: number) =>
    shown.map((item, index) => card(item, { base, assets, isEager: index < eagerCount }));
  const plain = (name: string, title: string, values: Record<string, unknown> = {}): [string, Page] => [
    name,
    { title, module: name, main: fill(pageFile(name), { base, assets, ...values }) },
  ];

  const pages = new Map<string, Page>([
    [
      'index',
      { title: 'All things', module: 'list', main: fill(pageFile('home'), { cards: cards(items, 4) }) },
    ],
    ...categories.map(({ id, name, intro }): [string, Page] => {
      const shown = items.filter((item) => item.category === id);
      const main = fill(pageFile('category'), { id, name, intro, cards: cards(shown, 4) });
      return [id, { title: name, description: intro, module: 'list', main }];
    }),
    ...items.map((item): [string, Page] => [
      `products/${item.id}`,
      { title: item.name, description: item.tagline, module: 'product', main: productPage(item, place) },
    ]),
    plain('cart', 'Your cart'),
    plain('checkout', 'Checkout'),
    plain('thank-you', 'Thank you', { scores: scores() }),
    plain('sign-in', 'Your account'),
    plain('search', 'Search'),
    plain('wishlist', 'Wishlist'),
    ['not-found', { title: 'Not found', module: 'shop', main: fill(pageFile('not-found'), { base }) }],
  ]);
  return new Map([...pages].map(([path, page]) => [path, whole(path, page, place)]));
}

/** A page with the layout around it. */
function whole(
  path: string,
  { title, description = slogan, module, main }: Page,
  { base, assets, snippet }: Place,
): string {
  const current = (name: string) => (path === name ? html` aria-current="page"` : '');
  return fill(pageFile('layout'), {
    base,
    assets,
    snippet,
    module,
    description,
    main: new Html(main),
    title: `${title} – Wayside`,
    free_delivery_from: priceText(freeDeliveryFrom),
    category_links: categories.map(
      ({ id, name }) => html`<a href="${base}/${id}" ${current(id)}>${name}</a> `,
    ),
    'current_sign-in': current('sign-in'),
    current_wishlist: current('wishlist'),
    current_cart: current('cart'),
  });
}

function productPage(item: Item, { base, assets }: Place): string {
  const category = categories.find(({ id }) => id === item.category);
  // two of the same shelf, two of another: what a shopkeeper would put beside it
  const others = items.filter((other) => other.id !== item.id);
  const near = others.filter((other) => other.category === item.category).slice(0, 2);
  const far = others.filter((other) => other.category !== item.category).slice(0, 2);
  const reviewCount = item.reviews.length;
  const mean = item.reviews.reduce((sum, { rating }) => sum + rating, 0) / reviewCount;
  return fill(pageFile('product'), {
    ...item,
    base,
    assets,
    category_id: item.category,
    category_name: category?.name,
    price: priceText(item.price),
    wish: wishButton(item),
    variants: item.variants ? sizes(item.variants) : '',
    facts: item.facts.map((fact) => html`<li>${fact}</li>`),
    review_summary:
      reviewCount === 0
        ? 'No reviews yet'
        : `${reviewCount === 1 ? 'One review' : `${reviewCount} reviews`}, ${mean} of 5 stars`,
    reviews: item.reviews.map(
      ({ author, rating, text }) =>
        html`<li>
          ${stars(rating)}
          <p>${text}</p>
          <p class="review-author">${author}</p>
        </li>`,
    ),
    stars: starChoice,
    cards: [...near, ...far].map((other) => card(other, { base, assets })),
  });
}

const sizes = (variants: readonly string[]) =>
  html`<fieldset>
    <legend>Size</legend>
    <div class="sizes">
      ${variants.map(
        (variant, index) =>
          html`<label
            ><input type="radio" name="variant" value="${variant}" ${index === 1 ? html`checked` : ''} /><span
              >${variant}</span
            ></label
          >`,
      )}
    </div>
  </fieldset>`;

const scores = () =>
  Array.from(
    { length: 11 },
    (_, score) =>
      html`<label><input type="radio" name="score" value="${score}" /><span>${score}</span></label>`,
  );
