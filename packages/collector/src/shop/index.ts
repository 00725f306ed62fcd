import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative, sep } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { contentOf, immutable, revalidated, sendContent, type Content } from './content.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** Serves the demo shop at /shop, with the write key of its site in the snippet of every page. */
export async function shop(app: FastifyInstance, { writeKey }: { writeKey: string }): Promise<void> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('@milepost/shop/package.json')), 'dist');
  if (!existsSync(folder)) {
    app.log.warn('the shop is not built, so /shop answers 404; `npm run build` builds it');
    return;
  }

  const pages = new Map<string, Page>();
  const assets = new Map<string, Content>();
  for (const file of filesIn(folder)) {
    const path = `/${relative(folder, file).split(sep).join('/')}`;
    const type = types[extname(file)];
    if (type === undefined) continue;
    if (path.startsWith('/assets/')) {
      assets.set(path, contentOf(readFileSync(file), { type, cacheControl: immutable }));
    } else {
      pages.set(path.replace(/(\/index)?\.html$/, ''), pageOf(readFileSync(file, 'utf8'), writeKey));
    }
  }

  const answer = (request: FastifyRequest<{ Params: { '*'?: string } }>, reply: FastifyReply) => {
    const path = `/${request.params['*'] ?? ''}`;
    const asset = assets.get(path);
    if (asset) return sendContent(request, reply, asset);
    const page = pages.get(path.replace(/\/$/, '')) ?? pages.get('/not-found');
    if (!page || page === pages.get('/not-found')) reply.code(404);
    if (!page) return reply.send();
    return sendContent(request, reply.headers(page.headers), page.content);
  };
  app.get('/shop', answer);
  app.get('/shop/*', answer);
}

type Page = { content: Content; headers: Record<string, string> };

/** A page with its write key, and a policy that lets run what the shop itself put in it, and nothing else. */
function pageOf(template: string, writeKey: string): Page {
  const html = template.replaceAll('%WRITE_KEY%', writeKey);
  const inline = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(
    ([, code = '']) => `'sha256-${createHash('sha256').update(code).digest('base64')}'`,
  );
  const policy = [
    `default-src 'none'`,
    `script-src 'self' ${inline.join(' ')}`,
    `style-src 'self'`,
    `img-src 'self'`,
    `font-src 'self'`,
    `connect-src 'self'`,
    `form-action 'self'`,
    `base-uri 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ');
  return {
    content: contentOf(Buffer.from(html), { type: types['.html'] ?? '', cacheControl: revalidated }),
    headers: {
      'content-security-policy': policy,
      'referrer-policy': 'strict-origin-when-cross-origin',
    },
  };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
