import type { Tracker } from '../../../packages/sdk/test/torture/index.ts';
import type { Peer } from './peers.ts';

/** A peer: its bundle in the head, and a call to start it. */
export function trackerOf({ name, version, code }: Peer): Tracker {
  const path = `/${name}.js`;
  return {
    name,
    version,
    head: ({ url }) => `<script src="${path}"></script><script>bench.start(${JSON.stringify(url)})</script>`,
    scripts: { [path]: code },
  };
}
