import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../../problems.ts';
import { answerPreflights, requireOrigin } from '../cors.ts';
import { keyOf, keyTextsOf, refuseSecret, requireSame } from '../key-of.ts';
import type { RateLimit } from '../rate-limit.ts';
import { type Place, settingsOf, sourceConfigOf } from './settings.ts';

const caching = {
  'cache-control': 'private, max-age=300',
  'content-type': 'application/json; charset=utf-8',
};

/** What the browser libraries ask for before they send: where to, and that nothing else is to be done. */
export async function configuration(
  app: FastifyInstance,
  { rateLimit }: { rateLimit: RateLimit },
): Promise<void> {
  const segmentUrl = '/v1/projects/:writeKey/settings';
  answerPreflights(app, segmentUrl, { methods: 'GET', headers: 'Authorization, *' });
  app.get<{ Params: { writeKey: string } }>(segmentUrl, async (request, reply) => {
    const { writeKey } = request.params;
    refuseSecret(writeKey, 'the address, where logs and histories keep it');
    const texts = keyTextsOf(request);
    requireSame([writeKey, ...texts]);
    const key = await keyOf(app, [writeKey]);
    requireOrigin(key, request, reply);
    await rateLimit(key, request);
    return reply.headers(caching).send(JSON.stringify(settingsOf(writeKey, placeOf(request))));
  });

  // RudderStack's library adds the slash itself.
  for (const url of ['/sourceConfig', '/sourceConfig/']) {
    answerPreflights(app, url, { methods: 'GET', headers: 'Authorization, *' });
    app.get(url, async (request, reply) => {
      const texts = keyTextsOf(request);
      const key = await keyOf(app, texts);
      if (key.kind === 'secret') {
        throw new Problem('secret-key-exposed', 'Pages take a write key: revoke the secret one.');
      }
      requireOrigin(key, request, reply);
      await rateLimit(key, request);
      return reply.headers(caching).send(JSON.stringify(sourceConfigOf(texts[0]!, key.site.siteId)));
    });
  }
}

/** Where the client reached us. A page that came by TLS may send by nothing less, whatever a proxy says of itself. */
function placeOf(request: FastifyRequest): Place {
  const isSecurePage = request.headers.origin?.startsWith('https://') ?? false;
  const isOwnMachine = /^(?:localhost|127\.|\[::1\])/.test(request.host);
  const protocol = isSecurePage && !isOwnMachine ? 'https' : request.protocol;
  return { protocol, host: request.host };
}
