import { agents, type Agent } from './catalogue.ts';
import { type Random, uuidV7, weighted } from './random.ts';

/** A browser or phone of a simulated person. */
export type Device = { anonymousId: string; agent: Agent };

/** What a simulated person is like; the journey is made from it. */
export type Person = {
  index: number;
  habit: Habit;
  devices: Device[];
  userId: string;
  email: string;
  /** Signed in on this device in an earlier session. */
  signedIn: Set<Device>;
};

/** How often somebody comes, how likely a cart and a purchase are, and what follows. */
export type Habit = {
  name: 'passer-by' | 'researcher' | 'buyer' | 'regular';
  sessions: number;
  daysBetween: number;
  cart: number;
  checkout: number;
  pay: number;
  review: number;
  return: number;
  devices: number;
};

const habits: readonly (Habit & { weight: number })[] = [
  // prettier-ignore
  { weight: 55, name: 'passer-by', sessions: 1.2, daysBetween: 6, cart: 0.04, checkout: 0.2, pay: 0.4, review: 0, return: 0, devices: 1 },
  // prettier-ignore
  { weight: 25, name: 'researcher', sessions: 4, daysBetween: 3, cart: 0.2, checkout: 0.4, pay: 0.6, review: 0.1, return: 0.1, devices: 1.7 },
  // prettier-ignore
  { weight: 15, name: 'buyer', sessions: 4, daysBetween: 5, cart: 0.5, checkout: 0.7, pay: 0.8, review: 0.25, return: 0.12, devices: 1.5 },
  // prettier-ignore
  { weight: 5, name: 'regular', sessions: 9, daysBetween: 4, cart: 0.6, checkout: 0.85, pay: 0.9, review: 0.4, return: 0.08, devices: 2.2 },
];
const buyer = habits[2];
const guestShare = 0.05;
const habitByWeight = weighted(habits.map((habit) => habit.weight));

const firstNames = ['Ada', 'Ben', 'Chiara', 'Deniz', 'Elif', 'Finn', 'Grace', 'Hugo', 'Ines', 'Jonas'];

/**
 * Makes the `index`-th person. One in twenty browses on a computer that somebody else used before (`lent`), and
 * one in three owns more than one device.
 */
export function makePerson(
  index: number,
  { random, bornAtMs, lent }: { random: Random; bornAtMs: number; lent: Device | null },
): Person {
  const isGuest = lent !== null && random.chance(guestShare);
  const habit = isGuest ? buyer : habits[habitByWeight(random)];
  if (habit === undefined) throw new RangeError('no such habit');
  const count = 1 + (random.chance(habit.devices - 1) ? 1 : 0) + (random.chance(0.03) ? 1 : 0);
  const devices = Array.from({ length: count }, () => ({
    anonymousId: uuidV7(bornAtMs, random),
    agent: random.pick(agents),
  }));
  if (isGuest) devices[0] = lent;
  const name = random.pick(firstNames).toLowerCase();
  return {
    index,
    habit,
    devices,
    userId: `u-${index + 1}`,
    email: `${name}.${index + 1}@example.com`,
    signedIn: new Set(),
  };
}

/** How many times this person comes at all. */
export function sessionCountOf(person: Person, random: Random): number {
  return Math.max(1, Math.min(40, Math.round(random.wait(person.habit.sessions) + 0.5)));
}
