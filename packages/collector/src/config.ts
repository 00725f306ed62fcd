import { z } from 'zod';
import type { TargetPolicy } from './deliver/targets.ts';
import { Refusal } from './refusal.ts';

const roleNames = ['ingest', 'write', 'derive', 'deliver', 'api'] as const;
/** What one process may do; every role by default. */
export type Role = (typeof roleNames)[number];

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((number) => number >= least && number <= most, `must be a whole number from ${least} to ${most}`);

const postgresUrl = z
  .string({ error: 'is missing; it names the database, as in postgres://user:password@host:5432/milepost' })
  .refine((text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text), {
    message: 'must be a URL that begins with postgres://',
  });

const bufferUrl = z.string().regex(/^lmdb:.+/, 'must be lmdb:<folder>');

const roles = z.string().transform((text, context): ReadonlySet<Role> => {
  const named = text.split(',').map((name) => name.trim());
  const unknown = named.filter((name) => !(roleNames as readonly string[]).includes(name));
  if (unknown.length > 0) {
    context.addIssue(`names no such role: ${unknown.join(', ')}; the roles are ${roleNames.join(', ')}`);
    return z.NEVER;
  }
  return new Set(named as Role[]);
});

// `true` trusts one proxy, not any number of them: a client could write X-Forwarded-For itself.
const trustProxy = z.string().transform((text): boolean | number | string[] => {
  if (text === 'true') return 1;
  if (text === 'false') return false;
  return /^\d+$/.test(text) ? Number(text) : text.split(',').map((address) => address.trim());
});

const environment = z.object({
  DATABASE_URL: postgresUrl,
  HOST: z.string().default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(4000),
  METRICS_TOKEN: z.string().min(16, 'must have 16 characters or more').optional(),
  BUFFER_URL: bufferUrl.default('lmdb:.milepost/buffer'),
  BUFFER_LIMIT_MB: wholeNumber(1, 1_000_000).default(4096),
  ROLES: roles.default(new Set(roleNames)),
  LOG_LEVEL: z.enum(levels, { error: `must be one of ${levels.join(', ')}` }).default('info'),
  TRUST_PROXY: trustProxy.default(false),
  DATABASE_CONNECTIONS: wholeNumber(2, 1000).default(10),
  RATE_LIMIT: wholeNumber(0, 10_000_000).default(300_000),
  IMPORT_FOLDER: z.string().default('.milepost/imports'),
  IMPORT_LIMIT_MB: wholeNumber(1, 1_000_000).default(1024),
  WEBHOOK_TARGETS: z.enum(['public', 'any'], { error: 'must be public or any' }).default('public'),
});

/** Every setting of a process, read once and passed on as an argument. */
export type Config = {
  databaseUrl: string;
  /** Most connections of the shared pool. Default 10. */
  databaseConnections: number;
  host: string;
  port: number;
  /** Opens /metrics to others than this machine. */
  metricsToken: string | undefined;
  /** Where accepted touchpoints wait for PostgreSQL: `lmdb:<folder>`. Default `lmdb:.milepost/buffer`. */
  buffer: string;
  /** What the buffer may take on disk before ingest answers 503. Default 4 GiB. */
  bufferLimitBytes: number;
  roles: ReadonlySet<Role>;
  logLevel: (typeof levels)[number];
  /** As Fastify's option: false, the number of proxies in front, or their addresses. */
  trustProxy: boolean | number | string[];
  /** Ingest requests a minute by key and address. Default 300,000; 0 means no limit. */
  rateLimit: number;
  /** Where bodies of `POST /v1/import` lie until they are stored. Default `.milepost/imports`. */
  importFolder: string;
  /** What one such body may have, as it is sent. Default 1 GiB. */
  importLimitBytes: number;
  /**
   * Where webhooks may point: `public`, https to addresses of the internet; `any`, also http and this machine, for tests.
   * Default `public`.
   */
  webhookTargets: TargetPolicy;
};

/** Reads every setting from the environment; a `Refusal` names each bad variable. An empty variable counts as unset. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = environment.safeParse(given);
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
    throw new Refusal(`these environment variables need a look: ${lines.join('; ')}.`);
  }
  const read = result.data;
  return {
    databaseUrl: read.DATABASE_URL,
    databaseConnections: read.DATABASE_CONNECTIONS,
    host: read.HOST,
    port: read.PORT,
    metricsToken: read.METRICS_TOKEN,
    buffer: read.BUFFER_URL,
    bufferLimitBytes: read.BUFFER_LIMIT_MB * 1024 * 1024,
    roles: read.ROLES,
    logLevel: read.LOG_LEVEL,
    trustProxy: read.TRUST_PROXY,
    rateLimit: read.RATE_LIMIT,
    importFolder: read.IMPORT_FOLDER,
    importLimitBytes: read.IMPORT_LIMIT_MB * 1024 * 1024,
    webhookTargets: read.WEBHOOK_TARGETS,
  };
}
