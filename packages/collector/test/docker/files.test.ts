import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../src/config.ts';
import { root } from '../docs/markdown.ts';

type Service = {
  image: string;
  environment: Record<string, string>;
  volumes: string[];
  healthcheck?: object;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  depends_on?: Record<string, { condition: string }>;
};

const dockerfile = readFileSync(`${root}Dockerfile`, 'utf8');
const composition = parse(readFileSync(`${root}docker-compose.yml`, 'utf8')) as {
  name?: string;
  services: { postgres: Service; collector: Service };
  volumes: Record<string, null>;
};
const { postgres, collector } = composition.services;

test('the image needs no BuildKit, and runs as a user without rights', () => {
  expect(dockerfile).not.toMatch(/^# syntax=|--mount=|<<|--chmod|--link/m);
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toMatch(/^STOPSIGNAL SIGTERM$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  expect(dockerfile).toMatch(/^ENTRYPOINT \["node", /m); // a shell would keep signals to itself
});

test('what the image copies is there, and not ignored', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, paths = '']) =>
    paths.split(' ').slice(0, -1),
  );
  expect(copied.length).toBeGreaterThan(5);
  const ignore = readFileSync(`${root}.dockerignore`, 'utf8').split('\n');
  for (const path of copied) {
    expect(existsSync(`${root}${path}`), path).toBe(true);
    const isLetIn = ignore.some((line) => line.startsWith('!') && `${path}/`.startsWith(`${line.slice(1)}/`));
    expect(isLetIn, path).toBe(true);
  }
});

test('docker compose starts the collector once PostgreSQL is healthy, without rights and on a read-only disk', () => {
  expect(composition.name).toBeUndefined(); // old versions of compose refuse it
  expect(postgres.healthcheck).toBeDefined();
  expect(collector).toMatchObject({
    depends_on: { postgres: { condition: 'service_healthy' } },
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  });
  const named = [...postgres.volumes, ...collector.volumes].map((volume) => volume.split(':')[0]);
  expect(new Set(named)).toEqual(new Set(Object.keys(composition.volumes)));
});

test('secrets come from the environment alone', () => {
  expect(postgres.environment['POSTGRES_PASSWORD']).toMatch(/^\$\{POSTGRES_PASSWORD:\?/);
  expect(collector.environment['DATABASE_URL']).toContain('${POSTGRES_PASSWORD}');
});

test('every variable is one that the collector knows', () => {
  const known = readFileSync(`${root}packages/collector/src/config.ts`, 'utf8');
  const inImage = [...dockerfile.matchAll(/^(?:ENV| ) ?([A-Z_]+)=/gm)].map(([, name]) => name!);
  expect(inImage).toContain('BUFFER_URL');
  for (const name of [...Object.keys(collector.environment), ...inImage]) {
    if (name !== 'NODE_ENV') expect(known).toMatch(`${name}:`);
  }
  // what is not set comes as an empty text, which counts as unset
  const unset = Object.fromEntries(
    Object.entries(collector.environment).map(([name, text]) => [
      name,
      text.replace(/\$\{\w+(?::-(.*?))?\}/g, '$1'),
    ]),
  );
  expect(readConfig(unset).trustProxy).toBe(false);
});
