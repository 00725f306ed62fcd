import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BufferDepth } from '../buffer/buffer.ts';

/** Every figure of a process, in one registry; each role writes its own. */
export type Metrics = ReturnType<typeof createMetrics>;

const latencies = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry }); // among them nodejs_eventloop_lag_seconds and memory
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, registers, buckets: latencies });

  const bufferEntries = gauge('milepost_buffer_entries', 'Requests in the buffer, not yet in PostgreSQL');
  const writeLag = gauge('milepost_write_lag_seconds', 'Age of the oldest request not yet in PostgreSQL');
  const bufferBytes = gauge('milepost_buffer_bytes', 'Bytes of the buffer in use');

  return {
    registry,
    // ingest
    accepted: counter('milepost_events_accepted_total', 'Events answered as accepted'),
    rejected: new Counter({
      name: 'milepost_events_rejected_total',
      help: 'Events answered as rejected, by reason',
      labelNames: ['reason'],
      registers,
    }),
    refused: new Counter({
      name: 'milepost_requests_refused_total',
      help: 'Requests answered with a problem, by its type',
      labelNames: ['type'],
      registers,
    }),
    // buffer
    commitSeconds: histogram('milepost_buffer_commit_seconds', 'Time of one durable commit of the buffer'),
    commitEntries: counter('milepost_buffer_committed_entries_total', 'Requests made durable'),
    // write
    stored: counter('milepost_touchpoints_stored_total', 'Touchpoints stored in PostgreSQL'),
    duplicates: counter('milepost_touchpoints_duplicate_total', 'Touchpoints that were there already'),
    storedRejects: counter('milepost_rejected_events_stored_total', 'Rejected events kept with their reason'),
    writeSeconds: histogram('milepost_write_seconds', 'Time of one transaction of the writer'),
    // derive
    derived: counter('milepost_persons_derived_total', 'Persons derived'),
    deriveLag: gauge(
      'milepost_derive_lag_seconds',
      'Age of the oldest stored touchpoint not yet in the views',
    ),
    deriveWaiting: gauge('milepost_derive_waiting_touchpoints', 'Stored touchpoints not yet in the views'),
    newestTouchpoint: new Gauge({
      name: 'milepost_site_newest_touchpoint_timestamp_seconds',
      help: 'When the newest derived touchpoint of a site happened, of the 200 sites heard of last',
      labelNames: ['site_id'],
      registers,
    }),
    deriveSeconds: histogram('milepost_derive_seconds', 'Time of one run of derivation'),
    silentCollectors: gauge(
      'milepost_silent_collectors',
      'Collectors that have said nothing for so long that triggers do not wait for them',
    ),

    // deliver
    deliver: {
      attempts: new Counter({
        name: 'milepost_webhook_attempts_total',
        help: 'Attempts to deliver to webhooks, by what became of them',
        labelNames: ['outcome'],
        registers,
      }),
    },

    /** Writes down how full the buffer is; called when the figures are asked for. */
    observeDepth({ entries, bytes, oldestReceivedAt }: BufferDepth, now: number): void {
      bufferEntries.set(entries);
      bufferBytes.set(bytes);
      writeLag.set(oldestReceivedAt === null ? 0 : Math.max(0, now - oldestReceivedAt) / 1000);
    },
  };
}
