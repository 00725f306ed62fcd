/**
 * What the shop sells. The server renders pages from it, the browser prices the cart by it.
 *
 * @typedef {{ author: string, rating: number, text: string }} Review
 * @typedef {'camp' | 'wear' | 'way'} CategoryId
 * @typedef {{ id: CategoryId, name: string, intro: string }} Category
 * @typedef {object} Item One thing the shop sells; its picture is `art/<id>.svg`.
 * @property {string} id
 * @property {string} name
 * @property {CategoryId} category
 * @property {number} price
 * @property {string} tagline One line under the name in a list.
 * @property {string} description
 * @property {readonly string[]} facts
 * @property {readonly string[]} [variants] Sizes, where there is a choice; the cart keeps one line for each.
 * @property {readonly Review[]} reviews
 */

/** Every price of the shop is in this currency. */
export const currency = 'EUR';

/** @type {readonly Category[]} */
export const categories = [
  { id: 'camp', name: 'Camp', intro: 'For the place where the day ends.' },
  { id: 'wear', name: 'Wear', intro: 'For weather, whichever it is.' },
  { id: 'way', name: 'Find the way', intro: 'For knowing where you are, mostly.' },
];

/** @type {readonly Item[]} */
export const items = [
  {
    id: 'day-pack',
    name: 'Day pack, 18 l',
    category: 'way',
    price: 89,
    tagline: 'Room for lunch, rain and a book',
    description:
      'Waxed canvas over a plain frame sheet, with one big pocket and one small one. We tried it with seven pockets; nobody could find the keys.',
    facts: ['18 litres, 640 g', 'Waxed cotton, recycled lining', 'Repairs free for ten years'],
    reviews: [
      { author: 'Mirjam', rating: 5, text: 'Three summers, two falls, no loose seam.' },
      { author: 'Okan', rating: 4, text: 'Could be a little lighter. Could not be better made.' },
    ],
  },
  {
    id: 'walking-boots',
    name: 'Walking boots',
    category: 'wear',
    price: 179,
    tagline: 'Resoled, not replaced',
    description:
      'Full-grain leather, stitched so that a cobbler can take them apart. They want a fortnight of short walks first, and then they want nothing.',
    facts: ['Full-grain leather, 5 mm felt insole', 'Stitched sole, can be replaced', 'Sizes are true'],
    variants: ['38', '40', '42', '44'],
    reviews: [{ author: 'Jonas', rating: 5, text: 'Second pair of soles, same pair of boots.' }],
  },
  {
    id: 'enamel-mug',
    name: 'Enamel mug',
    category: 'camp',
    price: 14,
    tagline: 'Survives being dropped, and being loved',
    description:
      'Steel under two coats of enamel. It chips where it falls, and each chip is a place you have been. Goes on the fire, not into the microwave.',
    facts: ['350 ml', 'Enamelled steel', 'Fire, hob and dishwasher'],
    reviews: [
      { author: 'Hanne', rating: 5, text: 'My coffee tastes of outside.' },
      { author: 'Luca', rating: 4, text: 'Hot rim, good mug.' },
    ],
  },
  {
    id: 'rain-jacket',
    name: 'Rain jacket',
    category: 'wear',
    price: 159,
    tagline: 'Dry for a day of real rain',
    description:
      'Three layers, taped seams, a hood that turns with your head. Bright enough to be found, quiet enough to hear birds.',
    facts: ['20,000 mm water column', 'No PFAS', '410 g in M'],
    variants: ['S', 'M', 'L'],
    reviews: [{ author: 'Ewa', rating: 5, text: 'A week in Galicia. Dry.' }],
  },
  {
    id: 'two-person-tent',
    name: 'Tent for two',
    category: 'camp',
    price: 249,
    tagline: 'Up in four minutes, even in the dark',
    description:
      'Two poles, eight pegs, one porch big enough for the boots. The inner stays dry because the outer goes up first.',
    facts: ['1.9 kg with pegs', 'Two porches', 'Spare pole included'],
    reviews: [{ author: 'Pavel', rating: 4, text: 'Four minutes is true from the second time on.' }],
  },
  {
    id: 'brass-compass',
    name: 'Brass compass',
    category: 'way',
    price: 45,
    tagline: 'Has no opinion but north',
    description: 'A liquid-damped needle in a turned brass case. No battery, no update, no signal needed.',
    facts: ['54 mm', 'Liquid damped', 'Northern hemisphere'],
    reviews: [{ author: 'Ada', rating: 5, text: 'Points north. Five stars.' }],
  },
  {
    id: 'trail-socks',
    name: 'Trail socks',
    category: 'wear',
    price: 18,
    tagline: 'A left one and a right one',
    description:
      'Merino where it is warm, nylon where it rubs. Knitted left and right, so they sit where they should.',
    facts: ['68 % merino', 'Made in Portugal', 'A hole within two years: a new pair'],
    variants: ['S', 'M', 'L'],
    reviews: [],
  },
  {
    id: 'folding-lantern',
    name: 'Folding lantern',
    category: 'camp',
    price: 39,
    tagline: 'Forty hours of warm light',
    description:
      'Folds flat as a tin of fish, opens to a small lighthouse. Warm white, so the moths and the neighbours stay calm.',
    facts: ['40 h on low, 6 h on high', 'USB-C', '210 g'],
    reviews: [{ author: 'Noor', rating: 5, text: 'Reads to me every night.' }],
  },
  {
    id: 'walking-map',
    name: 'Walking map',
    category: 'way',
    price: 11,
    tagline: 'The whole valley at once',
    description:
      '1 : 25,000, printed on stone paper. Shows every path, every spring and the three good benches.',
    facts: ['1 : 25,000', 'Waterproof stone paper', 'Edition of this spring'],
    reviews: [],
  },
  {
    id: 'merino-cap',
    name: 'Merino cap',
    category: 'wear',
    price: 29,
    tagline: 'Warm ears, no itch',
    description: 'Rib-knit from fine merino and turned up once. Fits under a hood and in a trouser pocket.',
    facts: ['100 % merino', 'One size', '46 g'],
    reviews: [{ author: 'Sol', rating: 4, text: 'I have forgotten that I wear it. That is praise.' }],
  },
  {
    id: 'field-flask',
    name: 'Field flask',
    category: 'camp',
    price: 32,
    tagline: 'Tea at noon, still hot at dusk',
    description: 'Double steel wall, a lid that is also a cup, and a shape that a gloved hand can hold.',
    facts: ['0.75 l', 'Hot for 14 h, cold for 24 h', 'Every part can be bought singly'],
    reviews: [{ author: 'Theo', rating: 5, text: 'Dented. Still hot.' }],
  },
  {
    id: 'weatherproof-notebook',
    name: 'Weatherproof notebook',
    category: 'way',
    price: 12,
    tagline: 'Takes a pencil in the rain',
    description:
      'Ninety-six pages of wax paper between two stiff boards. Ink runs, graphite stays; a pencil comes with it.',
    facts: ['96 pages, dotted', 'Wax paper', 'With pencil'],
    reviews: [],
  },
];

const byId = new Map(items.map((item) => [item.id, item]));

/** The item with this id, if the shop (still) sells it. @param {string} id */
export const itemOf = (id) => byId.get(id);

const money = new Intl.NumberFormat('en-IE', { style: 'currency', currency });

/** An amount as people read it. @param {number} amount */
export const priceText = (amount) => money.format(amount);

/** An amount without the dust of binary fractions. @param {number} amount */
export const cents = (amount) => Math.round(amount * 100) / 100;
