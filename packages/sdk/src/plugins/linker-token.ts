/** The query parameter that carries a visitor to another domain. */
export const parameter = '_mp';

/** When and in which browser a token is made or read. */
export type Moment = {
  /** Seconds since 1970. */
  seconds: number;
  /** User agent and language. */
  browser: string;
};

/**
 * A token, `<id>.<seconds, base 36>.<checksum>`. The checksum holds for one browser: a link that is copied to somebody
 * else is worth nothing. It is no secret and proves nothing more.
 */
export function tokenOf(id: string, { seconds, browser }: Moment): string {
  const text = `${id}.${seconds.toString(36)}`;
  // FNV-1a, 32 bits
  let hash = 0x811c9dc5;
  for (const letter of text + browser) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193);
  return `${text}.${(hash >>> 0).toString(36)}`;
}

/** The id in a token; none when it was made for another browser, was changed, or is older than `maxAge` seconds. */
export function idOf(
  token: string,
  { seconds, browser, maxAge }: Moment & { maxAge: number },
): string | undefined {
  // the id goes into a cookie
  const [, id = '', time = ''] = /^([\w-]{1,100})\.(\w+)/.exec(token) ?? [];
  const made = parseInt(time, 36);
  const isFresh = made <= seconds && made >= seconds - maxAge;
  return isFresh && token === tokenOf(id, { seconds: made, browser }) ? id : undefined;
}

/** Splits our parameter off an address, however often it is there. What is left is as it was, letter for letter. */
export function withoutToken(url: string, token?: string): { url: string; token: string | undefined } {
  const left = url.replace(/([?&])_mp=([^&#]*)(&?)/, (_, before: string, value: string, after: string) => {
    token = value;
    return after && before;
  });
  return left === url ? { url, token } : withoutToken(left, token);
}

/** Adds a token to an address, in place of one that is there. */
export function withToken(url: string, token: string): string {
  const { url: left } = withoutToken(url);
  return left.replace(/#|$/, `${/^[^#]*\?/.test(left) ? '&' : '?'}${parameter}=${token}$&`);
}

/** Whether a host is one of these or below one of them. */
export function isAmong(hosts: readonly string[], host = ''): boolean {
  return hosts.some((one) => `.${host}`.endsWith(`.${one}`));
}
