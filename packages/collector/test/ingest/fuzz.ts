import { drawOf, type HostileRequest, hostileRequest } from './hostile.ts';
import { hostileQuestion } from './hostile-question.ts';
import { type Answered, Wire } from './wire.ts';

export type FuzzOptions = {
  url: string;
  writeKey: string;
  secretKey: string;
  requests: number;
  seed: number;
  connections?: number;
  /** Called after every so many requests. */
  onProgress?: { every: number; call: (sent: number) => void };
};

export type FuzzOutcome = {
  /** How often each answer came. */
  answers: Map<Answered, number>;
  /** The requests that were answered by a 5xx or by nothing at all. */
  failed: { at: number; answered: Answered; request: HostileRequest }[];
};

/** Sends requests as nobody in his senses does; the same seed, the same requests. */
export async function fuzz(options: FuzzOptions): Promise<FuzzOutcome> {
  const { url, writeKey, secretKey, requests, seed, connections = 16, onProgress } = options;
  const outcome: FuzzOutcome = { answers: new Map(), failed: [] };
  let next = 0;
  let done = 0;
  const client = async (): Promise<void> => {
    const wire = new Wire(url);
    for (let at = next; at < requests; at = next) {
      next += 1;
      const draw = drawOf(seed * 1_000_003 + at);
      const hostile = draw(8) === 0 ? hostileQuestion(draw, secretKey) : hostileRequest(draw, writeKey);
      const bytes = bytesOf(hostile);
      const answered = hostile.isCut
        ? await wire.hangUpAfter(bytes.subarray(0, bytes.length - (hostile.body.length >> 1)))
        : await wire.ask(bytes);
      outcome.answers.set(answered, (outcome.answers.get(answered) ?? 0) + 1);
      if (answered === 'silent' || (answered !== 'closed' && answered >= 500))
        outcome.failed.push({ at, answered, request: hostile });
      done += 1;
      if (onProgress && done % onProgress.every === 0) onProgress.call(done);
    }
    wire.close();
  };
  await Promise.all(Array.from({ length: connections }, client));
  return outcome;
}

function bytesOf({ method, url, headers, body }: HostileRequest): Buffer {
  let head = `${method} ${url} HTTP/1.1\r\nhost: fuzz\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  return Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`, 'latin1'), body]);
}
