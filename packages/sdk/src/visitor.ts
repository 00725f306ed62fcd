import { attempt, type Store } from './storage.ts';

const key = 'milepost.id';
// browsers cut it to 400 days at most
const cookieSeconds = 34_128_000;

/**
 * The browser's own id, in localStorage and in a first-party cookie: the cookie reaches the site's other
 * subdomains (`cookieDomain`), the storage survives where scripts' cookies are cut to seven days.
 */
export function createVisitor(store: Store, newId: () => string, cookieDomain?: string) {
  const writeCookie = (value: string, seconds: number) =>
    attempt(() => {
      document.cookie =
        `milepost_id=${value};path=/;samesite=lax;max-age=${seconds}` +
        (cookieDomain ? `;domain=${cookieDomain}` : '') +
        (location.protocol === 'https:' ? ';secure' : '');
    });

  return {
    /** The id now. Read anew for each touchpoint, for another tab may have reset it. */
    id(): string {
      let id = store.get(key);
      if (!id) store.set(key, (id = newId()));
      return id;
    },
    /** Joins storage and cookie, from when storing is allowed. The cookie wins: other subdomains know it. */
    keep() {
      const [, known] = attempt(() => /(?:^|; )milepost_id=([\w-]{1,100})/.exec(document.cookie)) ?? [];
      if (known) store.set(key, known);
      writeCookie(this.id(), cookieSeconds);
    },
    /** Becomes somebody else. */
    renew() {
      store.set(key, newId());
      writeCookie(this.id(), cookieSeconds);
    },
    forget: () => writeCookie('', 0),
  };
}
