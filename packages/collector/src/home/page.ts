import type { Figures, Site } from './figures.ts';
import { html, type Html } from './html.ts';
import type { LiveTouchpoint } from './touchpoints.ts';
import {
  cartsView,
  freshnessView,
  freshnessWorstView,
  stagesView,
  tilesView,
  touchpointView,
} from './view.ts';

/** Addresses of the page's own files, named by their content. */
export type Assets = { style: string; script: string; icon: string };

const logo = html`<svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
  <path class="logo-stone" d="M7 29V13a9 9 0 0 1 18 0v16Z" />
  <path class="logo-mark" d="M11.5 22v-8l4.5 4.5 4.5-4.5v8" />
</svg>`;

function layout({
  title,
  assets,
  head,
  main,
}: {
  title: string;
  assets: Assets;
  head?: Html;
  main: Html;
}): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <link rel="icon" href="${assets.icon}" type="image/svg+xml" />
        <link rel="stylesheet" href="${assets.style}" />
        ${head}
      </head>
      <body>
        ${main}
      </body>
    </html> `.text;
}

/** What a visitor without a sign-in sees: kindly, how to get one. */
export function welcomePage(assets: Assets, { isLinkOld }: { isLinkOld: boolean }): string {
  return layout({
    title: 'Milepost',
    assets,
    main: html`<main class="welcome">
      ${logo}
      <h1>Milepost</h1>
      ${
        isLinkOld
          ? html`<p role="alert">This link is too old, or was never ours. A new one takes a moment:</p>`
          : html`<p>Here you see where everybody stands on their way, live. To come in you need a link:</p>`
      }
      <ul>
        <li>It was printed where Milepost was started with <code>npm start</code>.</li>
        <li>Or make a new one: <code>npm run milepost sign-in</code></li>
      </ul>
      <p class="faint">A link works for 24 hours, this browser then stays signed in for 30 days.</p>
    </main>`,
  });
}

type Home = {
  sites: readonly Site[];
  site: Site;
  figures: Figures;
  touchpoints: readonly LiveTouchpoint[];
  hueOf: (stage: string) => number;
  hasShop: boolean;
};

/** The page of a signed-in operator, complete as it leaves the server; the script only keeps it fresh. */
export function homePage(
  assets: Assets,
  { sites, site, figures, touchpoints, hueOf, hasShop }: Home,
): string {
  return layout({
    title: `${site.name} – Milepost`,
    assets,
    head: html`<script type="module" src="${assets.script}"></script>`,
    main: html`<a class="skip" href="#main">Skip to the figures</a>
      <header class="header">
        <a class="brand" href="/">${logo} Milepost</a>
        ${sites.length > 1 ? siteChoice(sites, site) : html`<span class="site-name">${site.name}</span>`}
        <p class="state" id="state" role="status">
          <span class="state-dot" aria-hidden="true"></span><span>Live soon</span>
        </p>
        <nav aria-label="More">
          ${hasShop && html`<a href="/shop">Demo shop</a>`}
          <a href="/docs">API</a>
          <form action="/sign-out" method="post"><button class="link" type="submit">Sign out</button></form>
        </nav>
      </header>
      <main id="main" data-site="${site.site_id}">
        <h1 class="visually-hidden">${site.name}: where everybody stands</h1>
        <section aria-labelledby="stages-title">
          <h2 id="stages-title">Where everybody stands</h2>
          <ol class="stages" id="stages">
            ${stagesView(figures.stages)}
          </ol>
        </section>
        <dl class="tiles" id="tiles">${tilesView(figures, site.currency)}</dl>
        <div class="columns">
          <section class="panel" aria-labelledby="live-title">
            <div class="panel-head">
              <h2 id="live-title">Last touchpoints</h2>
              <button class="link" type="button" id="pause" aria-pressed="false" hidden>Pause</button>
            </div>
            <ol class="touchpoints" id="touchpoints">
              ${touchpoints.map(
                (touchpoint) =>
                  html`<li data-id="${touchpoint.touchpoint_id}">${touchpointView(touchpoint, hueOf)}</li>`,
              )}
            </ol>
            <p class="empty" id="no-touchpoints" ${touchpoints.length > 0 && html`hidden`}>
              Nothing has arrived yet.
              ${
                hasShop
                  ? html`<a href="/shop">Walk through the shop</a> and watch this list.`
                  : html`Put the snippet into a page of yours.`
              }
            </p>
          </section>
          <div class="side">
            <section class="panel" aria-labelledby="carts-title">
              <h2 id="carts-title">Carts</h2>
              <ul class="carts" id="carts">
                ${cartsView(figures.carts)}
              </ul>
            </section>
            <section class="panel" aria-labelledby="freshness-title">
              <h2 id="freshness-title">Freshness</h2>
              <details>
                <summary id="freshness-worst">${freshnessWorstView(figures.freshness)}</summary>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">View</th>
                      <th scope="col">Newest</th>
                      <th scope="col">Behind</th>
                    </tr>
                  </thead>
                  <tbody id="freshness">
                    ${freshnessView(figures.freshness)}
                  </tbody>
                </table>
              </details>
            </section>
            ${further(site, hasShop)}
          </div>
        </div>
      </main>`,
  });
}

const siteChoice = (sites: readonly Site[], chosen: Site) =>
  html`<form class="site-choice" action="/" method="get">
    <label>
      <span class="visually-hidden">Site</span>
      <select name="site" id="site">
        ${sites.map(
          ({ site_id: id, name }) =>
            html`<option value="${id}" ${id === chosen.site_id && html`selected`}>${name}</option>`,
        )}
      </select>
    </label>
    <button class="link" type="submit">Show</button>
  </form>`;

const further = (site: Site, hasShop: boolean) =>
  html`<section class="panel further" aria-labelledby="further-title">
    <h2 id="further-title">Further</h2>
    <ul>
      ${hasShop && html`<li><a href="/shop">The demo shop</a>: click, and see it here within a second.</li>`}
      <li>
        <a href="/docs">The Stage API</a>, with every route to try; <a href="/openapi.json">as OpenAPI</a>.
      </li>
      <li>
        <a href="/milepost.json">The snippet's script</a>: version, address and SRI hash. README, “Embedding”.
      </li>
      <li>
        SQL: the address is in <code>.milepost/demo.json</code>. README has ten questions; the first:
        <pre><code>select stage, count(*)
from journey.current_stages
where site_id = ${site.site_id}
group by stage;</code></pre>
      </li>
    </ul>
  </section>`;
