import { attempt, type Store } from './storage.ts';

const key = 'milepost.id';
// browsers cut it to 400 days at most
const cookieSeconds = 34_128_000;

/**
 * The browser's own id, in localStorage and in a first-party cookie: the cookie reaches the site's other
 * subdomains (`cookieDomain`) and outlives a `localStorage.clear()`, the storage survives where the cookies of
 * scripts are cut to seven days.
 */
export function createVisitor(
  store: Store,
  {
    mayKeep,
    newId,
    cookieDomain,
  }: { mayKeep: () => boolean; newId: () => string; cookieDomain?: string | undefined },
) {
  let isKept = false;

  const readCookie = () => attempt(() => /(?:^|; )milepost_id=([\w-]{1,100})/.exec(document.cookie))?.[1];
  const writeCookie = (value: string, seconds: number) =>
    attempt(() => {
      document.cookie =
        `milepost_id=${value};path=/;samesite=lax;max-age=${seconds}` +
        (cookieDomain ? `;domain=${cookieDomain}` : '') +
        (location.protocol === 'https:' ? ';secure' : '');
    });

  function become(id: string): string {
    store.set(key, id);
    if (isKept) writeCookie(id, cookieSeconds);
    return id;
  }

  return {
    /** The id now. Read anew for each touchpoint, for another tab may have reset it. */
    id: (): string => {
      const id = store.get(key);
      if (!mayKeep() || (id && isKept)) return id ?? become(newId());
      // the first time that it may be kept; the cookie wins, for other subdomains know it
      isKept = true;
      return become(readCookie() ?? id ?? newId());
    },
    /** Becomes somebody else. */
    renew() {
      isKept = mayKeep();
      become(newId());
    },
    /** Removes the cookie. */
    forget() {
      writeCookie('', 0);
      isKept = false;
    },
  };
}
