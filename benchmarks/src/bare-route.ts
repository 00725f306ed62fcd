// A process of its own: Fastify with one route that parses its body and answers, and does nothing else. It says where
// it listens.
import { fastify } from 'fastify';

const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) =>
  done(null, JSON.parse(body as string)),
);
app.post('/v1/events', async (request, reply) => {
  const { batch } = request.body as { batch: { id: string }[] };
  reply.header('content-type', 'application/json; charset=utf-8');
  return JSON.stringify({ results: batch.map(({ id }) => ({ id, status: 'accepted' })) });
});
process.send?.({ url: await app.listen({ host: '127.0.0.1', port: 0 }) });
