import type { Cart, Figures, Freshness, Orders, StageCount } from './figures.ts';
import { html, type Html } from './html.ts';
import type { LiveTouchpoint } from './touchpoints.ts';
import { countText, deedOf, moneyText, spanText, subjectOf, titleOf } from './words.ts';

// A view further behind than this is shown in the colour of a warning.
const lateSeconds = 5;

// The parts of the page. The server draws each, at first and again when it changes; the browser only puts it in place.

/** The stages as a way with a milestone for each. */
export function stagesView(stages: readonly StageCount[]): Html {
  const all = stages.reduce((sum, { persons }) => sum + persons, 0);
  const most = Math.max(1, ...stages.map(({ persons }) => persons));
  return html`${stages.map(({ stage, persons, customers }, index) => {
    const share = all === 0 ? 0 : Math.round((100 * persons) / all);
    // SVG attributes, since the page's policy allows no inline style
    const height = persons === 0 ? 0 : Math.max(2, Math.round((64 * persons) / most));
    return html`<li class="stage hue-${(index % 6) + 1}">
      <svg class="stage-bar" viewBox="0 0 100 64" preserveAspectRatio="none" aria-hidden="true">
        <rect x="0" y="${64 - height}" width="100" height="${height}" />
      </svg>
      <span class="stage-post" aria-hidden="true">${index + 1}</span>
      <h3>${titleOf(stage)}</h3>
      <p class="stage-count">
        <b>${countText(persons)}</b>
        <span class="visually-hidden">${persons === 1 ? 'person' : 'persons'}</span>
      </p>
      <p class="stage-share">${share} %${customers > 0 && html`, ${countText(customers)} bought`}</p>
    </li>`;
  })}`;
}

/** The figures beside the stages. */
export function tilesView({ stages, cartCounts, orders }: Figures, currency: string): Html {
  const persons = stages.reduce((sum, stage) => sum + stage.persons, 0);
  const customers = stages.reduce((sum, stage) => sum + stage.customers, 0);
  const carts = (state: string) => {
    const found = cartCounts.filter((row) => row.state === state);
    const count = found.reduce((sum, row) => sum + row.carts, 0);
    // money of two currencies has no sum; each stands alone
    const values = found.filter((row) => row.currency).map((row) => moneyText(row.value, row.currency));
    return { count, values: values.slice(0, 2).join(' + ') };
  };
  const open = carts('open');
  const abandoned = carts('abandoned');
  return html`${tile('Persons', persons, `${countText(customers)} of them bought`)}
  ${tile('Open carts', open.count, open.values || 'nothing in them')}
  ${tile('Abandoned carts', abandoned.count, abandoned.values || 'none given up')}
  ${tile('Orders, 24 hours', orders.orders, netText(orders, currency))}`;
}

const netText = ({ orders, net }: Orders, currency: string) =>
  orders === 0 ? 'none yet' : net === null ? 'value unknown' : `${moneyText(net, currency)} net`;

const tile = (name: string, count: number, more: string) =>
  html`<div class="tile">
    <dt>${name}</dt>
    <dd><b>${countText(count)}</b> <span>${more}</span></dd>
  </div>`;

/** The carts that were touched last. */
export function cartsView(carts: readonly Cart[]): Html {
  if (carts.length === 0) return html`<li class="empty">No open cart, and none abandoned.</li>`;
  return html`${carts.map(
    (cart) =>
      html`<li class="cart">
        <span class="mark mark-${cart.state === 'abandoned' ? 'abandoned' : 'open'}"
          >${titleOf(cart.state)}</span
        >
        <span>${countText(cart.item_count)} ${cart.item_count === 1 ? 'thing' : 'things'}</span>
        <b>${moneyText(cart.value, cart.currency)}</b>
        <span class="faint"
          >${personText(cart.person_id, null)} got to the ${cart.furthest_step},
          ${timeView(cart.last_activity_at)}</span
        >
      </li>`,
  )}`;
}

/** The view that is furthest behind, for all of them. */
export function freshnessWorstView(freshness: readonly Freshness[]): Html {
  const lags = freshness.flatMap(({ lag_seconds: lag }) => lag ?? []);
  if (lags.length === 0) return html`Nothing is derived yet`;
  const worst = Math.max(...lags);
  const newest = freshness
    .flatMap(({ newest_touchpoint_at: at }) => at ?? [])
    .sort((one, other) => +other - +one)[0];
  return html`<span class="lag ${worst > lateSeconds && 'lag-late'}">${spanText(worst)} behind</span>${
      newest && html`, newest of ${timeView(newest)}`
    }`;
}

/** How far behind each derived thing is. */
export function freshnessView(freshness: readonly Freshness[]): Html {
  if (freshness.length === 0)
    return html`<tr>
      <td colspan="3">Nothing is derived yet.</td>
    </tr>`;
  return html`${freshness.map(
    ({ name, newest_touchpoint_at: newest, lag_seconds: lag }) =>
      html`<tr>
        <th scope="row">${titleOf(name)}</th>
        <td>${newest ? timeView(newest) : 'nothing yet'}</td>
        <td class="lag ${lag !== null && lag > lateSeconds && 'lag-late'}">
          ${lag === null ? '–' : spanText(lag)}
        </td>
      </tr>`,
  )}`;
}

/** One row of the live list. `hueOf` gives the colour of a stage by its place in the model. */
export function touchpointView(touchpoint: LiveTouchpoint, hueOf: (stage: string) => number): Html {
  const { person_id: personId, user_id: userId, to_stage: toStage, value, currency } = touchpoint;
  const subject = subjectOf(touchpoint);
  const money = moneyText(value, currency);
  return html`<span class="touch-time">${timeView(touchpoint.received_at)}</span>
    <span class="touch-deed" title="${touchpoint.name}">
      <b>${deedOf(touchpoint)}</b>
      ${subject && html`<span class="touch-subject">${subject}</span>`}
      ${money && html`<span class="touch-money">${money}</span>`}
    </span>
    <span class="touch-person"
      >${personId ? personText(personId, userId) : html`<span class="faint">…</span>`}</span
    >
    <span class="touch-way">${touchpoint.channel ?? titleOf(touchpoint.source)}</span>
    <span class="touch-move"
      >${
        toStage
          ? html`<span class="move hue-${hueOf(toStage)}"
              ><span class="visually-hidden">now in stage </span>${titleOf(toStage)}</span
            >`
          : touchpoint.is_bot
            ? html`<span class="faint">bot</span>`
            : touchpoint.is_internal && html`<span class="faint">internal</span>`
      }</span
    >`;
}

/** A person as a name tag: who has no user id goes by a few characters of the person id. */
function personText(personId: string, userId: string | null): Html {
  return html`<span class="person" title="${personId}">${userId ?? `visitor ${personId.slice(-4)}`}</span>`;
}

/** An instant: UTC from the server, in the reader's own time once the script is there. */
const timeView = (at: Date) =>
  html`<time datetime="${at.toISOString()}">${at.toISOString().slice(11, 19)}</time>`;
