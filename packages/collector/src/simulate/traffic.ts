import { type Emission, journeyOf } from './journey.ts';
import { type Device, makePerson } from './person.ts';
import { PriorityQueue } from './queue.ts';
import { seededRandom, zipf } from './random.ts';

/** What `traffic` makes: how many persons, over which time, for how many sites. */
export type TrafficOptions = {
  seed: number;
  /** Persons begin their journeys at instants spread over the whole time. */
  persons: number;
  startMs: number;
  /** Nothing is sent after this instant. */
  untilMs: number;
  /** The sites share the persons by Zipf's law. */
  sites: number;
  /** Where the simulated shop lives, `https://shop.example`. */
  origin: string;
};

export type SiteEmission = Emission & { site: number };

const mostLenders = 16;

/**
 * The traffic of a shop, in the order of sending. The same options give the same ids and the same distances in
 * time. Every person's journey depends on the seed and their number alone, so a longer run begins like a shorter one.
 */
export function* traffic(options: TrafficOptions): Generator<SiteEmission> {
  const { seed, persons, startMs, untilMs, sites, origin } = options;
  const births = seededRandom(seed);
  const siteByRank = zipf(sites);
  const meanGapMs = (untilMs - startMs) / persons;
  const pending = new PriorityQueue<{ site: number; emissions: Emission[]; next: number }>();
  const lenders: { device: Device; site: number }[] = [];

  let bornAtMs = startMs;
  let born = 0;
  let lenderCount = 0;
  while (born < persons || pending.size > 0) {
    const isBirth = born < persons && bornAtMs <= pending.nextAt;
    if (isBirth) {
      const random = seededRandom(seed ^ Math.imul(born + 1, 0x9e3779b1));
      const site = siteByRank(random);
      const lender = lenders.length > 0 ? random.pick(lenders) : null;
      const lent = lender?.site === site ? lender.device : null;
      const person = makePerson(born, { random, bornAtMs, lent });
      const [device] = person.devices;
      const isLender = person.habit.name === 'buyer' || person.habit.name === 'regular';
      if (device !== undefined && isLender) {
        lenders[lenderCount % mostLenders] = { device, site };
        lenderCount += 1;
      }
      const emissions = journeyOf(person, { random, fromMs: bornAtMs, origin });
      const [first] = emissions;
      if (first !== undefined) pending.push(first.sendAtMs, { site, emissions, next: 0 });
      born += 1;
      bornAtMs += Math.floor(births.wait(meanGapMs));
      continue;
    }
    const journey = pending.pop();
    const emission = journey?.emissions[journey.next];
    if (journey === undefined || emission === undefined) continue;
    // The rest of this journey lies beyond the end of the run, so it is let go.
    if (emission.sendAtMs > untilMs) continue;
    yield { ...emission, site: journey.site };
    journey.next += 1;
    const following = journey.emissions[journey.next];
    if (following !== undefined) pending.push(following.sendAtMs, journey);
  }
}
