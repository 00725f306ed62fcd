import { attempt, type Store } from './storage.ts';

const key = 'milepost.id';
// browsers cut it to 400 days at most
const cookieSeconds = 34_128_000;

/**
 * The browser's own id, in localStorage and in a first-party cookie: the cookie reaches the site's other
 * subdomains (`cookieDomain`) and outlives a `localStorage.clear()`, the storage survives where the cookies of
 * scripts are cut to seven days.
 */
export function createVisitor(store: Store, newId: () => string, cookieDomain?: string) {
  let isKept = false;

  const readCookie = () =>
    isKept ? attempt(() => /(?:^|; )milepost_id=([\w-]{1,100})/.exec(document.cookie))?.[1] : undefined;
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
    id: (): string => store.get(key) ?? become(readCookie() ?? newId()),
    /** Becomes somebody else. */
    renew: () => become(newId()),
    /** Joins storage and cookie, from when storing is allowed. The cookie wins: other subdomains know it. */
    keep() {
      isKept = true;
      become(readCookie() ?? store.get(key) ?? newId());
    },
    /** Removes the cookie. */
    forget() {
      writeCookie('', 0);
      isKept = false;
    },
  };
}
