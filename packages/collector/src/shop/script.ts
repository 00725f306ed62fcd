import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problems.ts';
import { contentOf, immutable, revalidated, sendContent, type Content } from './content.ts';

const javascript = 'text/javascript; charset=utf-8';

/**
 * Serves the snippet's script. `/milepost.js` is for everybody and may be five minutes old; `/milepost-<version>-<hash>.js`
 * never changes, so a page may pin it with the SRI hash that `/milepost.json` tells.
 */
export async function script(app: FastifyInstance): Promise<void> {
  const built = builtScript();
  if (!built) {
    app.log.warn('the SDK is not built, so /milepost.js answers 404; `npm run build` builds it');
    app.get('/milepost.js', () => {
      throw new Problem('not-found', 'The SDK of this collector is not built; run npm run build.');
    });
    return;
  }

  const { file, version } = built;
  const integrity = `sha384-${createHash('sha384').update(file).digest('base64')}`;
  const pinned = contentOf(file, { type: javascript, cacheControl: immutable });
  const alias: Content = {
    ...pinned,
    cacheControl: 'public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800',
  };
  const url = `/milepost-${version}-${Buffer.from(pinned.hash, 'base64').toString('hex').slice(0, 12)}.js`;
  const description = contentOf(
    Buffer.from(
      `${JSON.stringify({
        version,
        url,
        integrity,
        bytes: file.length,
        gzip_bytes: pinned.bodies.get('gzip')?.length,
        brotli_bytes: pinned.bodies.get('br')?.length,
      })}\n`,
    ),
    { type: 'application/json; charset=utf-8', cacheControl: revalidated },
  );

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
  app.get('/milepost.js', serve(alias));
  app.get(url, serve(pinned));
  app.get('/milepost.json', serve(description));
}

function builtScript(): { file: Buffer; version: string } | undefined {
  try {
    const path = createRequire(import.meta.url).resolve('@milepost/sdk/milepost.js');
    const manifest = join(dirname(dirname(path)), 'package.json');
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return { file: readFileSync(path), version };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' || code === 'ENOENT') return undefined;
    throw error;
  }
}
