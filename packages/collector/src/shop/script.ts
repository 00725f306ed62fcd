import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problems.ts';
import { contentOf, immutable, revalidated, sendContent, type Content } from './content.ts';

const javascript = 'text/javascript; charset=utf-8';
const soonForgotten = 'public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800';

/**
 * Serves the snippet's scripts: `/milepost.js`, `/milepost.full.js` and what they load. These addresses are for
 * everybody and may be five minutes old; `/milepost-<version>-<hash>.js` never changes, so a page may pin it with the
 * SRI hash that `/milepost.json` tells.
 */
export async function script(app: FastifyInstance): Promise<void> {
  const built = builtScripts();
  if (!built) {
    app.log.warn('the SDK is not built, so /milepost.js answers 404; `npm run build` builds it');
    app.get('/milepost.js', () => {
      throw new Problem('not-found', 'The SDK of this collector is not built; run npm run build.');
    });
    return;
  }

  // any page of any site may load it, also with `crossorigin` for SRI and error messages
  const serve = (content: Content) => (request: FastifyRequest, reply: FastifyReply) =>
    sendContent(
      request,
      reply
        .header('access-control-allow-origin', '*')
        .header('cross-origin-resource-policy', 'cross-origin')
        .header('timing-allow-origin', '*'),
      content,
    );

  const { version, files } = built;
  const scripts = Object.fromEntries(
    files.map(({ name, file }) => {
      const pinned = contentOf(file, { type: javascript, cacheControl: immutable });
      const hash = Buffer.from(pinned.hash, 'base64').toString('hex').slice(0, 12);
      const url = `/${name.replace(/\.js$/, `-${version}-${hash}.js`)}`;
      app.get(`/${name}`, serve({ ...pinned, cacheControl: soonForgotten }));
      app.get(url, serve(pinned));
      const description = {
        url,
        integrity: `sha384-${createHash('sha384').update(file).digest('base64')}`,
        bytes: file.length,
        gzip_bytes: pinned.bodies.get('gzip')?.length,
        brotli_bytes: pinned.bodies.get('br')?.length,
      };
      return [name, description];
    }),
  );
  const text = `${JSON.stringify({ version, ...scripts['milepost.js'], scripts })}\n`;
  app.get(
    '/milepost.json',
    serve(
      contentOf(Buffer.from(text), { type: 'application/json; charset=utf-8', cacheControl: revalidated }),
    ),
  );
}

/** The scripts for pages without modules: `milepost.js`, `milepost.full.js`, `milepost.survey.js`, … */
function builtScripts(): { version: string; files: { name: string; file: Buffer }[] } | undefined {
  try {
    const dist = dirname(createRequire(import.meta.url).resolve('@milepost/sdk/milepost.js'));
    const { version } = JSON.parse(readFileSync(join(dirname(dist), 'package.json'), 'utf8')) as {
      version: string;
    };
    const files = readdirSync(dist)
      .filter((name) => /^milepost(\.\w+)?\.js$/.test(name) && !name.endsWith('.esm.js'))
      .map((name) => ({ name, file: readFileSync(join(dist, name)) }));
    return files.some(({ name }) => name === 'milepost.js') ? { version, files } : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' || code === 'ENOENT') return undefined;
    throw error;
  }
}
