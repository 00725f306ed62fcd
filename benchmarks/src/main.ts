import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

import { atSize } from './at-size.ts';
import { killing } from './killing.ts';
import { disk } from './disk.ts';
import { fuzzing } from './fuzzing.ts';
import { importing } from './importing.ts';
import { latency } from './latency.ts';
import { longPerson } from './long.ts';
import { lookup } from './lookup.ts';
import { rebuilding } from './rebuild.ts';
import { Report, say } from './report.ts';
import { sdk, sdkNames } from './sdk/index.ts';
import { singlePosts } from './single-posts.ts';
import { soak } from './soak.ts';
import { stagesOfCpu } from './stages.ts';
import { openStand, untilInterrupted } from './stand.ts';
import { goals, throughput } from './throughput.ts';
import { triggers } from './triggers.ts';

const names = [
  'stored',
  'stages',
  'single-posts',
  'import',
  'derived',
  'latency',
  'lookup',
  'long-person',
  'disk',
  'at-size',
  'rebuild',
  'soak',
  'fuzz',
  'chaos',
  'triggers',
  ...sdkNames,
] as const;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    runs: { type: 'string' },
    minutes: { type: 'string' },
    rate: { type: 'string' },
    touchpoints: { type: 'string' },
    triggers: { type: 'string' },
    requests: { type: 'string' },
    rounds: { type: 'string' },
    seed: { type: 'string' },
    peers: { type: 'string' },
    scenario: { type: 'string', multiple: true },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(
    `npm run bench -- [--quick] [--only ${names.join('|')}]

One JSON line a result on standard output, sentences on standard error, all of it in benchmarks/results/.
--quick runs a tenth of the load: it shows that everything works, its figures prove nothing.
--runs N (sdk-delivery: runs of each scenario, default 20), --scenario NAME (only that one),
--touchpoints N (long-person: the length of the long history, default 100000; disk: how many, default 200000;
at-size: how many are stored, default 20000000; only run when named, its databases are kept),
--minutes N, --rate N (soak: how long, default 10, and touchpoints a second, default 2000; only run when named),
--triggers N (triggers: how many are delivered, default 100000; only run when named),
--rounds N, --seed N (chaos: how often something is killed, default 50, and which and when; only run when named),
--requests N, --seed N (fuzz: how many hostile requests, default 1000000, and which; only run when named),
--peers a,b or all (other trackers beside ours; installs them once).
`,
  );
} else {
  await untilInterrupted(run());
}

async function run(): Promise<void> {
  const isQuick = values.quick;
  const wanted = (name: (typeof names)[number]) => values.only === undefined || values.only.includes(name);
  const touchpoints = isQuick ? 30_000 : 300_000;
  const report = new Report({ isQuick });
  // Each on a database of its own: none measures what another left behind.
  if (wanted('stored'))
    await onStand((stand) => throughput(stand, report, { goal: goals.stored, touchpoints, isQuick }));
  if (wanted('stages')) {
    await onStand((stand) => stagesOfCpu(stand, report, { touchpoints: isQuick ? 30_000 : 200_000 }));
  }
  if (wanted('single-posts')) {
    await onStand((stand) =>
      singlePosts(stand, report, { posts: isQuick ? 5_000 : 40_000, rounds: isQuick ? 1 : 3 }),
    );
  }
  if (wanted('import')) {
    await onStand((stand) => importing(stand, report, { lines: isQuick ? 50_000 : 500_000 }));
  }
  let derivedRate: number | null = null;
  if (wanted('derived')) {
    derivedRate = await onStand((stand) =>
      throughput(stand, report, { goal: goals.derived, touchpoints, isQuick }),
    );
  }
  if (wanted('latency')) {
    await onStand((stand) => latency(stand, report, { derivedRate, seconds: isQuick ? 10 : 60 }));
  }
  if (wanted('lookup')) {
    const stored = isQuick ? 100_000 : 1_000_000;
    await onStand((stand) =>
      lookup(stand, report, { derivedRate, touchpoints: stored, calls: isQuick ? 500 : 3_000 }),
    );
  }
  if (wanted('long-person')) {
    const history = Number(values.touchpoints ?? (isQuick ? 10_000 : 100_000));
    await onStand((stand) => longPerson(stand, report, { history, calls: isQuick ? 40 : 200 }));
  }
  if (wanted('disk')) {
    const count = Number(values.touchpoints ?? (isQuick ? 20_000 : 200_000));
    await onStand((stand) => disk(stand, report, { touchpoints: count }));
  }
  if (wanted('rebuild')) {
    await onStand((stand) =>
      rebuilding(stand, report, { derivedRate, touchpoints: isQuick ? 100_000 : 1_000_000 }),
    );
  }
  // Minutes of steady load, longer than all others together: only when it is asked for.
  if (values.only !== undefined && wanted('soak')) {
    const minutes = Number(values.minutes ?? (isQuick ? 1 : 10));
    await onStand((stand) => soak(stand, report, { rate: Number(values.rate ?? 2_000), minutes }));
  }
  if (values.only !== undefined && wanted('triggers')) {
    const count = Number(values.triggers ?? (isQuick ? 2_000 : 100_000));
    await onStand((stand) => triggers(stand, report, { count }));
  }
  if (values.only !== undefined && wanted('chaos')) {
    const rounds = Number(values.rounds ?? (isQuick ? 3 : 50));
    await killing(report, { rounds, seed: seedOf(values.seed) });
  }
  if (values.only !== undefined && wanted('fuzz')) {
    const requests = Number(values.requests ?? (isQuick ? 10_000 : 1_000_000));
    await onStand((stand) => fuzzing(stand, report, { requests, seed: seedOf(values.seed) }));
  }
  // Gigabytes, kept in the temporary folder: only when it is asked for.
  if (values.only !== undefined && wanted('at-size')) {
    const count = Number(values.touchpoints ?? (isQuick ? 200_000 : 20_000_000));
    await atSize(report, {
      touchpoints: count,
      small: isQuick ? 20_000 : Math.min(1_000_000, count),
      base: isQuick ? 20_000 : 200_000,
      pieces: isQuick ? 4 : 12,
      calls: isQuick ? 200 : 2_000,
    });
  }
  await sdk(report, { ...values, isQuick, wanted, onStand });
  const file = report.save();
  if (file !== null) say(`results in ${file}`);
}

/** The seed that is given, else another one each time. */
function seedOf(given: string | undefined): number {
  return given === undefined ? randomInt(1_000_000) : Number(given);
}

async function onStand<Outcome>(work: (stand: Awaited<ReturnType<typeof openStand>>) => Promise<Outcome>) {
  const stand = await openStand();
  try {
    return await work(stand);
  } finally {
    await stand.close();
  }
}
