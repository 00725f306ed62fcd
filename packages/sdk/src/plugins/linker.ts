import type { Plugin } from '../plugin.ts';
import { attempt } from '../storage.ts';
import { idOf, isAmong, parameter, tokenOf, withoutToken, withToken } from './linker-token.ts';

/** What {@link linker} connects. */
export type LinkerOptions = {
  /** The other domains, e.g. `['pay.example']`, their subdomains included; no ports. Both sides name each other. */
  hosts: readonly string[];
  /** How old a link may be, in seconds. Default: 120. */
  maxAge?: number;
};

/** What {@link linker} adds to the tracker. */
export type Linker = {
  /** The address with the visitor's id, for `location.href = …`; unchanged when it leads to no such domain or consent is missing. */
  linkerParam(url: string): string;
};

/**
 * Keeps a visitor the same on another domain: links and forms that lead to one of `hosts` get a parameter `_mp` at the
 * moment they are used. There it is taken for two minutes, by the same browser, on the way from one of `hosts`, and only
 * where there is no id yet; and it is removed from the address before anything is recorded, taken or not.
 */
export function linker({ hosts, maxAge = 120 }: LinkerOptions): Plugin<Linker> {
  return ({ becomeVisitor, consent, visitorId, filter }) => {
    const moment = () => ({
      seconds: Math.floor(Date.now() / 1_000),
      browser: navigator.userAgent + navigator.language,
    });
    const isOther = (host?: string) => host !== location.hostname && isAmong(hosts, host);

    const { url, token } = withoutToken(location.href);
    if (token != null) {
      history.replaceState(history.state, '', url);
      const id = idOf(token, { ...moment(), maxAge });
      // scheme, host, port
      if (id && isOther(document.referrer.split(/[:/]+/)[1])) becomeVisitor(id);
    }

    function linkerParam(url: string): string {
      const target = attempt(() => new URL(url, document.baseURI));
      if (!isOther(target?.hostname) || consent() !== 'granted') return url;
      return withToken(target!.href, tokenOf(visitorId(), moment()));
    }

    /** Gives an attribute its token. Tells whether it has one now. */
    function decorate(element: Element, attribute: string): boolean {
      const url = element.getAttribute(attribute) ?? '';
      const linked = linkerParam(url);
      if (linked === url) return false;
      element.setAttribute(attribute, linked);
      return true;
    }

    const options = { capture: true, passive: true };
    // down: for a new tab by the menu; click: for the keyboard and scripts
    for (const name of ['pointerdown', 'click']) {
      addEventListener(
        name,
        (event) => {
          const link = event.composedPath().find((node) => (node as Element).matches?.('a,area'));
          if (link) decorate(link as Element, 'href');
        },
        options,
      );
    }
    addEventListener(
      'submit',
      ({ target, submitter }) => {
        const form = target as HTMLFormElement;
        const isOwn = submitter?.hasAttribute('formaction');
        if (!decorate(isOwn ? submitter! : form, isOwn ? 'formaction' : 'action')) return;
        if (/post/i.test((submitter?.getAttribute('formmethod') ?? form.getAttribute('method'))!)) return;
        // a form that gets replaces the query of its address by its fields
        const field =
          form.querySelector<HTMLInputElement>(`[name=${parameter}]`) ??
          form.appendChild(document.createElement('input'));
        field.type = 'hidden';
        field.name = parameter;
        field.value = tokenOf(visitorId(), moment());
      },
      options,
    );

    // addresses that others record say where a link leads, not who follows it
    filter((event) => {
      for (const name of ['link_url', 'form_destination']) {
        const url = event.properties?.[name];
        if (url) event.properties![name] = withoutToken(url as string).url;
      }
      return event;
    });
    return { linkerParam };
  };
}
