import type { FastifyInstance, FastifyBaseLogger, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { TargetPolicy } from '../deliver/index.ts';
import type { ProblemType } from '../problems.ts';
import type { Access } from './access.ts';
import type { Scope } from './scopes.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on the routes of the Stage API, before anything else of the request is read. */
    access: Access;
  }
  interface FastifySchema {
    /** What the route may answer instead, for OpenAPI. */
    problems?: ProblemType[];
  }
  interface FastifyContextConfig {
    /** The scope a secret key needs for the route. */
    scope?: Scope;
  }
}

/** The part of the app that holds the Stage API's routes. */
export type ApiInstance = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What the routes work with. */
export type ApiOptions = {
  pool: Pool;
  /** Requests a minute by write key and address; 0 is no limit. */
  rateLimit: number;
  /** Where webhooks may point. */
  webhookTargets: TargetPolicy;
  /** Where bodies of imports lie until they are stored. */
  importFolder: string;
  /** What one of them may have, as it is sent. */
  importLimitBytes: number;
};

/** The query of a route: these parameters and no others, so that a misspelt filter is refused instead of ignored. */
export function queryOf<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ') || 'none';
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has a parameter this route does not take; it takes ${known}`
        : undefined,
  });
}

/** An answer in JSON, with a description of its own. */
export function jsonAnswer<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

/** What a route of the Stage API says about itself in OpenAPI; `problems` beside those of every route. */
export function described(about: {
  operationId: string;
  tag: string;
  summary: string;
  description: string;
  scope: Scope;
  problems?: ProblemType[];
}) {
  return {
    operationId: about.operationId,
    tags: [about.tag],
    summary: about.summary,
    description: `${about.description}\n\nScope: \`${about.scope}\`.`,
    security: [{ secretKey: [] }],
    problems: [...everyRoute, ...(about.problems ?? [])],
  };
}

const everyRoute: ProblemType[] = [
  'missing-key',
  'unknown-key',
  'secret-key-required',
  'secret-key-exposed',
  'missing-scope',
  'invalid-query',
  'keys-unavailable',
  'database-unavailable',
];
