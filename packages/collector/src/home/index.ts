import cookie from '@fastify/cookie';
import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { Problem } from '../problems.ts';
import { contentOf, immutable, sendContent } from '../shop/content.ts';
import { figuresOf, sitesOf, type Site } from './figures.ts';
import { huesOf, LiveSite } from './live.ts';
import { homePage, welcomePage } from './page.ts';
import { browserDays, exchangeLink, isSignedIn, signOut } from './sign-in.ts';
import { newestTouchpoints } from './touchpoints.ts';

const policy = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self'`,
  `img-src 'self'`,
  `connect-src 'self'`,
  `form-action 'self'`,
  `base-uri 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

/** The page at `/`: where everybody stands and what happens now, for operators who came by a sign-in link. */
export async function home(
  app: FastifyInstance,
  { pool, hasShop = false }: { pool: Pool; hasShop?: boolean },
): Promise<void> {
  await app.register(cookie);
  const assets = serveAssets(app);
  const liveSites = new Map<number, LiveSite>();
  // the streams never end by themselves, so closing would wait for them
  app.addHook('preClose', async () => {
    for (const liveSite of liveSites.values()) liveSite.close();
  });
  // the sign-out form's body; it carries nothing
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: 1_024 },
    (_request, _body, done) => done(null, undefined),
  );

  app.get<{ Querystring: { site?: string } }>('/', async (request, reply) => {
    if (!(await isSignedIn(pool, tokenOf(request)))) {
      return sendPage(reply, welcomePage(assets, { isLinkOld: false }));
    }
    const sites = await sitesOf(pool);
    const site = chosenSite(sites, request.query.site);
    const [figures, touchpoints] = await Promise.all([
      figuresOf(pool, site.site_id),
      newestTouchpoints(pool, { siteId: site.site_id, since: undefined }),
    ]);
    const hueOf = huesOf(figures);
    return sendPage(reply, homePage(assets, { sites, site, figures, touchpoints, hueOf, hasShop }));
  });

  app.get<{ Querystring: { token?: string | string[] } }>('/sign-in', async (request, reply) => {
    const link = [request.query.token ?? ''].flat().join();
    const token = await exchangeLink(pool, link);
    if (!token) return sendPage(reply.code(403), welcomePage(assets, { isLinkOld: true }));
    return reply
      .header('cache-control', 'no-store')
      .header('referrer-policy', 'no-referrer')
      .setCookie(cookieName(request), token, { ...cookieOptions(request), maxAge: browserDays * 86_400 })
      .redirect('/', 303);
  });

  app.post('/sign-out', async (request, reply) => {
    const token = tokenOf(request);
    if (token) await signOut(pool, token);
    return reply.clearCookie(cookieName(request), cookieOptions(request)).redirect('/', 303);
  });

  // no HEAD: it would open a stream that nobody reads
  const streaming = { exposeHeadRoute: false };
  app.get<{ Querystring: { site?: string } }>('/home/live', streaming, async (request, reply) => {
    if (!(await isSignedIn(pool, tokenOf(request)))) {
      throw new Problem('forbidden', 'This browser is not signed in; open a sign-in link first.');
    }
    const site = chosenSite(await sitesOf(pool), request.query.site);
    const liveSite = liveSites.get(site.site_id) ?? new LiveSite(pool, site, app.log);
    liveSites.set(site.site_id, liveSite);
    return reply
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no') // nginx would hold the events back
      .type('text/event-stream')
      .send(liveSite.watch());
  });
}

function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply
    .header('cache-control', 'no-store')
    .header('content-security-policy', policy)
    .header('referrer-policy', 'no-referrer')
    .header('cross-origin-opener-policy', 'same-origin')
    .type('text/html; charset=utf-8')
    .send(page);
}

function chosenSite(sites: readonly Site[], wanted: string | undefined): Site {
  const site = wanted === undefined ? sites[0] : sites.find(({ site_id: id }) => String(id) === wanted);
  if (!site) {
    throw new Problem(
      'not-found',
      wanted === undefined
        ? 'There is no site yet; make one with milepost site create.'
        : 'There is no such site.',
    );
  }
  return site;
}

// Under https the prefix makes the browser refuse a cookie of that name that a neighbouring host has set.
const cookieName = ({ protocol }: FastifyRequest) =>
  protocol === 'https' ? '__Host-milepost_sign_in' : 'milepost_sign_in';

const cookieOptions = ({ protocol }: FastifyRequest) =>
  ({ httpOnly: true, sameSite: 'lax', secure: protocol === 'https', path: '/' }) as const;

const tokenOf = (request: FastifyRequest) => request.cookies[cookieName(request)];

/** Serves the page's own files under names that change with their content. */
function serveAssets(app: FastifyInstance): { style: string; script: string; icon: string } {
  const serve = (name: string, type: string) => {
    const file = readFileSync(new URL(`./assets/${name}`, import.meta.url));
    const content = contentOf(file, { type, cacheControl: immutable });
    const address = `/home/${Buffer.from(content.hash, 'base64').toString('hex').slice(0, 12)}-${name}`;
    app.get(address, (request, reply) => sendContent(request, reply, content));
    return address;
  };
  return {
    style: serve('home.css', 'text/css; charset=utf-8'),
    script: serve('home.js', 'text/javascript; charset=utf-8'),
    icon: serve('icon.svg', 'image/svg+xml'),
  };
}
