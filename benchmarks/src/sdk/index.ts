import type { Report } from '../report.ts';
import type { Stand } from '../stand.ts';
import { cost } from './cost.ts';
import { delivery } from './delivery.ts';
import { wantedPeers } from './peers.ts';
import { size } from './size.ts';
import { wire } from './wire.ts';

/** The benchmarks of the snippet. */
export const sdkNames = ['sdk-size', 'sdk-delivery', 'sdk-wire', 'sdk-cost'] as const;

/** Runs those that are wanted. */
export async function sdk(
  report: Report,
  options: {
    isQuick: boolean;
    runs?: string | undefined;
    peers?: string | undefined;
    scenario?: string[] | undefined;
    wanted: (name: (typeof sdkNames)[number]) => boolean;
    onStand: (work: (stand: Stand) => Promise<void>) => Promise<void>;
  },
): Promise<void> {
  const { isQuick, wanted, onStand, scenario } = options;
  const peers = wantedPeers(options.peers);
  const runs = Number(options.runs ?? (isQuick ? 2 : 20));
  if (!(runs >= 1)) throw new Error('--runs takes a number');
  if (wanted('sdk-size')) await size(report, { peers });
  if (wanted('sdk-wire')) await onStand((stand) => wire(stand, report, { peers }));
  if (wanted('sdk-cost')) {
    const rounds = Number(options.runs ?? (isQuick ? 5 : 25));
    await onStand((stand) => cost(stand, report, { rounds, peers }));
  }
  if (wanted('sdk-delivery')) {
    const peerRuns = Math.min(runs, 5);
    await onStand((stand) => delivery(stand, report, { runs, peerRuns, peers, only: scenario }));
  }
}
