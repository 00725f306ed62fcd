import { timeOfUuid, uuid } from './ids.ts';
import { attempt, type Store } from './storage.ts';
import type { TrackerOptions } from './types.ts';

const idKey = 'milepost.id';
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
  // where there are to be no cookies, a text in memory does as well
  const jar = storage === 'local' ? globalThis.document : { cookie: '' };
  let isKept = false;
  /** Who the visitor is as long as nothing is kept. */
  let guest: string | undefined;

  const readCookie = () => attempt(() => /(?:^|; )milepost_id=([\w-]{1,100})/.exec(jar.cookie)?.[1]);
  const writeCookie = (value: string, seconds: number) =>
    attempt(() => {
      // an empty domain is none
      jar.cookie =
        `milepost_id=${value};path=/;samesite=lax;max-age=${seconds};domain=${cookieDomain}` +
        (location.protocol === 'https:' ? ';secure' : '');
    });
  // an id begins with the time it was made at; without a limit the comparison is with NaN
  const isFresh = (id?: string) => id && !(timeOfUuid(id) < now() - idLifetimeDays! * dayMs);

  return {
    /** The id now. Read anew for each touchpoint, for another tab may have reset it. */
    visitorId: (): string => {
      if (!mayKeep()) return (guest ??= uuid(now()));
      let id = store.get(idKey);
      if (!isKept || !isFresh(id)) {
        isKept = true;
        // cookies cost a slow device milliseconds: read where other subdomains may know better, written later
        if (cookieDomain || !isFresh(id)) id = [readCookie(), id].find(isFresh) ?? guest ?? uuid(now());
        store.set(idKey, id!);
        setTimeout(() => isKept && writeCookie(id!, cookieSeconds));
      }
      return id!;
    },
    /** Who to be where there would be a new id now. */
    becomeVisitor: (id: string) => {
      guest = id;
    },
    /** Forgets who it was. */
    forget() {
      guest = undefined;
      isKept = false;
      store.remove(idKey);
      writeCookie('', 0);
    },
  };
}
