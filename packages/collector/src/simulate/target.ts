import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { demoFolder } from '../cli/terminal.ts';
import { Refusal } from '../refusal.ts';

/** Where simulated touchpoints go: a collector and one pair of keys a site. */
export type Target = { url: string; writeKeys: string[]; secretKeys: string[] };

const demoSchema = z.object({ url: z.string(), write_key: z.string(), secret_key: z.string() });
const demoFile = join(demoFolder, 'demo.json');

/** The target the options name; what they leave open comes from the running demo's file. */
export async function targetOf(options: {
  url?: string;
  writeKey: string[];
  secretKey: string[];
}): Promise<Target> {
  if (options.url !== undefined && options.writeKey.length > 0) {
    return { url: options.url, writeKeys: options.writeKey, secretKeys: options.secretKey };
  }
  const demo = await readDemo();
  const isOwnKey = options.writeKey.length > 0;
  return {
    url: options.url ?? demo.url,
    writeKeys: isOwnKey ? options.writeKey : [demo.write_key],
    // The demo's secret key belongs to the demo's site and to no other.
    secretKeys: isOwnKey || options.secretKey.length > 0 ? options.secretKey : [demo.secret_key],
  };
}

async function readDemo(): Promise<z.infer<typeof demoSchema>> {
  let text: string;
  try {
    text = await readFile(demoFile, 'utf8');
  } catch (cause) {
    throw new Refusal(
      'no demo runs here (.milepost/demo.json is missing): start it with npm start, or name --url and --write-key.',
      { cause },
    );
  }
  return demoSchema.parse(JSON.parse(text));
}
