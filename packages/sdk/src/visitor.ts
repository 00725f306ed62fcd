import { timeOfUuid, uuid } from './ids.ts';
import { attempt, type Store } from './storage.ts';
import type { TrackerOptions } from './types.ts';

const key = 'milepost.id';
// browsers cut it to 400 days at most
const cookieSeconds = 34_128_000;
const dayMs = 86_400_000;

/** What the visitor needs to know. */
export type VisitorOptions = Pick<TrackerOptions, 'storage' | 'cookieDomain' | 'idLifetimeDays'> & {
  store: Store;
  now: () => number;
  mayKeep: () => boolean;
};

/**
 * The browser's own id, in the store and in a first-party cookie: the cookie reaches the site's other subdomains
 * (`cookieDomain`) and outlives a `localStorage.clear()`, the storage survives where the cookies of scripts are cut
 * to seven days.
 */
export function createVisitor({
  store,
  now,
  mayKeep,
  storage,
  cookieDomain = '',
  idLifetimeDays,
}: VisitorOptions) {
  const hasCookie = storage === 'local';
  let isKept = false;
  /** Who the visitor is as long as nothing is kept. */
  let guest: string | undefined;

  const readCookie = () =>
    hasCookie ? attempt(() => /(?:^|; )milepost_id=([\w-]{1,100})/.exec(document.cookie)?.[1]) : undefined;
  const writeCookie = (value: string, seconds: number) =>
    attempt(() => {
      // an empty domain is none
      document.cookie =
        `milepost_id=${value};path=/;samesite=lax;max-age=${seconds};domain=${cookieDomain}` +
        (location.protocol === 'https:' ? ';secure' : '');
    });
  // an id begins with the time it was made at; without a limit the comparison is with NaN
  const isFresh = (id?: string) => id && !(timeOfUuid(id) < now() - idLifetimeDays! * dayMs);

  return {
    /** The id now. Read anew for each touchpoint, for another tab may have reset it. */
    id: (): string => {
      if (!mayKeep()) return (guest ??= uuid(now()));
      let id = store.get(key);
      if (!isKept || !isFresh(id)) {
        // the cookie wins, for other subdomains know it
        id = [readCookie(), id].find(isFresh) ?? guest ?? uuid(now());
        isKept = true;
        store.set(key, id);
        if (hasCookie) writeCookie(id, cookieSeconds);
      }
      return id!;
    },
    /** Who to be where there would be a new id now. */
    become: (id: string) => {
      guest = id;
    },
    /** Forgets who it was. */
    forget() {
      guest = undefined;
      isKept = false;
      store.remove(key);
      writeCookie('', 0);
    },
  };
}
