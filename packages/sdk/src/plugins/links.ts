import type { AutoOptions } from '../full.ts';
import type { PluginApi } from '../plugin.ts';
import type { TrackerOptions } from '../types.ts';
import { isAmong } from './linker-token.ts';
import { addressOf, elementsOf, listen, record } from './page.ts';

/** What counts as leaving, and what as a download. */
export type LinkOptions = {
  /** Links that leave the site, also to the mail program or the telephone, as `click`. Default: yes. */
  outbound?: boolean;
  /** Hosts that are the site's own, with all their subdomains, beside the page's, the cookie's and the linker's. */
  ownHosts?: readonly string[];
  /** Links to files with these endings, a regular expression, as `file_download`. Default: those of GA4. */
  downloads?: string | false;
};

const endings =
  'pdf|xlsx?|docx?|txt|rtf|csv|exe|key|pp[st]x?|7z|pkg|rar|gz|zip|avi|mov|mp[34]|mpe?g|wmv|midi?|wav|wma';

/** What following a link means: its event and properties. Undefined for a link within the site. */
export function linkEventOf(
  url: URL,
  { outbound = true, ownHosts = [], downloads = endings }: LinkOptions,
): [name: 'file_download' | 'click', properties: Record<string, unknown>] | undefined {
  const { hostname, pathname } = url;
  const link_url = addressOf(url);
  const [, file_extension] = new RegExp(`\\.(${downloads})$`, 'i').exec(pathname) ?? [];
  if (downloads && hostname && file_extension) {
    return ['file_download', { link_url, file_name: pathname, file_extension }];
  }
  const isOwn = isAmong(
    ownHosts.map((host) => host.replace(/^(www)?\./, '')),
    hostname,
  );
  const isOutbound = outbound && !isOwn && /^(http|mailto|tel|sms)/.test(link_url);
  return isOutbound ? ['click', { link_url, link_domain: hostname, outbound }] : undefined;
}

/** Records clicks on links that leave the site or fetch a file, by whatever button or key. */
export function watchLinks(api: PluginApi, options: LinkOptions): void {
  const { hostname } = location;
  const { cookieDomain = hostname, auto } = api.options as TrackerOptions & { auto?: AutoOptions };
  const ownHosts = [hostname, cookieDomain, ...(auto?.linker?.hosts ?? []), ...(options.ownHosts ?? [])];
  listen<MouseEvent>('click auxclick', (event) => {
    const link = elementsOf(event).find((element) => element.matches('a,area'));
    // in SVG it is an object; the second mouse button opens a menu
    const { href } = link as { href?: string & { baseVal?: string } };
    if (!link || !href || event.button > 1) return;
    const found = linkEventOf(new URL(href.baseVal ?? href, document.baseURI), { ...options, ownHosts });
    if (!found) return;
    record(api, found[0], { ...found[1], link_id: link.id, link_classes: link.getAttribute('class') });
  });
}
