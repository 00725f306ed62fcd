import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { CDPSession } from 'playwright-core';

import type { Profiles } from '../../../packages/sdk/test/torture/index.ts';

/** A script, and the address that starts it where evaluating it does not. */
export type Candidate = { name: string; code: string; url: string | null };

/** What it cost one page. */
export type Cost = {
  name: string;
  totalMs: number;
  /** All script of the page until it was quiet again, the browser's own count. */
  scriptMs: number;
  longTasks: number;
  longestTaskMs: number;
  heapKb: number | null;
  listeners: number | null;
};

const slowDown = 4;
/** Long enough for what is put off: the first batch leaves after 0.2 s. */
const settleMs = 700;

/** Evaluates and starts the candidate in a page of a fresh renderer. */
export async function costOf(
  { name, code, url }: Candidate,
  { profiles, withHeap }: { profiles: Profiles; withHeap: boolean },
): Promise<Cost> {
  const page = await serveOnce({ '/': '<!doctype html><title>cost</title><h1>cost</h1>', '/code.js': code });
  const context = await profiles.open();
  try {
    const tab = await context.newPage();
    await tab.goto(page.url);
    const devtools = await context.newCDPSession(tab);
    await devtools.send('Performance.enable');
    const heapBefore = withHeap ? await heapOf(devtools) : null;
    const before = await metricsOf(devtools);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: slowDown });
    const { totalMs, tasks } = await tab.evaluate(measure, { url, settleMs });
    const after = await metricsOf(devtools);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: 1 });
    const heapAfter = withHeap ? await heapOf(devtools) : null;
    return {
      name,
      totalMs,
      scriptMs: (after.script - before.script) * 1_000,
      longTasks: tasks.length,
      longestTaskMs: Math.max(0, ...tasks),
      heapKb: heapBefore && heapAfter && (heapAfter.bytes - heapBefore.bytes) / 1_024,
      listeners: heapBefore && heapAfter && heapAfter.listeners - heapBefore.listeners,
    };
  } finally {
    await context.close();
    page.close();
  }
}

/** Runs in the page. The script is given as text: parsing and compiling it belong to the cost, fetching it does not. */
async function measure({ url, settleMs }: { url: string | null; settleMs: number }) {
  const tasks: number[] = [];
  const watch = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration);
  });
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const text = await (await fetch('/code.js')).text();
  await pause(200);
  watch.observe({ type: 'longtask' });
  const totalMs = await new Promise<number>((resolve) => {
    // a task of its own, as it would be on a page
    setTimeout(() => {
      const script = document.createElement('script');
      script.textContent = text;
      const startAt = performance.now();
      document.head.append(script);
      if (url !== null) window.bench.start(url);
      resolve(performance.now() - startAt);
    });
  });
  await pause(settleMs);
  watch.disconnect();
  return { totalMs, tasks };
}

async function metricsOf(devtools: CDPSession): Promise<{ script: number; listeners: number }> {
  const { metrics } = await devtools.send('Performance.getMetrics');
  const valueOf = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0;
  return { script: valueOf('ScriptDuration'), listeners: valueOf('JSEventListeners') };
}

async function heapOf(devtools: CDPSession): Promise<{ bytes: number; listeners: number }> {
  // what only a finalizer kept is gone after the second
  await devtools.send('HeapProfiler.collectGarbage');
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  return { bytes: usedSize, listeners: (await metricsOf(devtools)).listeners };
}

/** An origin of its own for each page, isolated, so that its clock has a resolution of 5 µs. */
async function serveOnce(files: Record<string, string>): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const file = files[request.url ?? '/'];
    response.writeHead(file === undefined ? 404 : 200, {
      'content-type': request.url === '/' ? 'text/html' : 'text/javascript',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    });
    response.end(file);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
