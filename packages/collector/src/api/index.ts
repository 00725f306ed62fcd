import type { FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { Problem } from '../problems.ts';
import { accessOf, requireScope, SiteSecrets } from './access.ts';
import type { Access } from './access.ts';
import { registerDocuments } from './documents.ts';
import { registerProblemPages } from './problem-pages.ts';
import type { ApiOptions } from './route.ts';
import { accountRoutes } from './routes/accounts.ts';
import { cartRoutes } from './routes/carts.ts';
import { correctionRoutes } from './routes/corrections.ts';
import { changeRoutes } from './routes/changes.ts';
import { debugRoutes } from './routes/debug.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { goalRoutes } from './routes/goals.ts';
import { importRoutes } from './routes/import.ts';
import { linkRoutes } from './routes/links.ts';
import { meRoutes } from './routes/me.ts';
import { orderRoutes } from './routes/orders.ts';
import { personRoutes } from './routes/persons.ts';
import { rateRoutes } from './routes/rates.ts';
import { rejectedRoutes } from './routes/rejected.ts';
import { siteRoutes } from './routes/site.ts';
import { stageRoutes } from './routes/stages.ts';
import { transitionRoutes } from './routes/transitions.ts';
import { webhookRoutes } from './routes/webhooks.ts';

/**
 * The Stage API, its description at `/openapi.json` and its pages at `/docs`. Reads the views of schema `journey`;
 * needs the decorator `keys`.
 */
export async function api(app: FastifyInstance, options: ApiOptions): Promise<void> {
  await registerDocuments(app);
  await registerProblemPages(app);
  await app.register(meRoutes, options);
  await app.register(async (routes: FastifyInstance) => {
    routes.setValidatorCompiler(validatorCompiler);
    routes.setSerializerCompiler(serializerCompiler);
    routes.setSchemaErrorFormatter(([error], where) => {
      const parameter = error?.instancePath.replace(/^\//, '');
      const subject = parameter ? `\`${parameter}\`` : `The ${where === 'querystring' ? 'query' : where}`;
      return new Problem('invalid-query', `${subject} ${error?.message ?? 'is wrong'}.`);
    });

    const secrets = new SiteSecrets(options.pool);
    routes.decorateRequest('access', null as unknown as Access);
    routes.addHook('onRequest', async (request, reply) => {
      // what a key may see is nobody else's, and true for this moment only
      void reply.header('cache-control', 'private, no-store');
      request.access = await accessOf(routes.keys, secrets, request);
      const { scope } = request.routeOptions.config;
      if (scope !== undefined) requireScope(request.access, scope);
    });

    const typed = routes.withTypeProvider<ZodTypeProvider>();
    await stageRoutes(typed, options);
    await personRoutes(typed, options);
    await correctionRoutes(typed, options);
    await accountRoutes(typed, options);
    await transitionRoutes(typed, options);
    await cartRoutes(typed, options);
    await orderRoutes(typed, options);
    await changeRoutes(typed, options);
    await debugRoutes(typed, options);
    await webhookRoutes(typed, options);
    await deliveryRoutes(typed, options);
    await rateRoutes(typed, options);
    await goalRoutes(typed, options);
    await rejectedRoutes(typed, options);
    await siteRoutes(typed, options);
    await importRoutes(typed, options);
    await linkRoutes(typed);
  });
}
