import { commerceNames } from './commerce.ts';
import type { AutoOptions } from './full.ts';
import type { TrackerOptions } from './types.ts';

/** Options of the loader: those of the tracker that are plain text, and where the script lies. */
export type SnippetOptions = Omit<TrackerOptions, 'now' | 'plugins' | 'beforeSend'> & {
  /** Address of `milepost.js` or `milepost.full.js`. The collector behind it is the default `host`. */
  script: string;
  /** SRI hash of the script, where `script` is an address whose content never changes; `/milepost.json` tells both. */
  integrity?: string;
  /** What `milepost.full.js` is to record by itself. Default: everything but `datalayer`, `segment` and `linker`. */
  auto?: AutoOptions;
};

/** What may be called before the script has arrived. */
export const snippetCalls: readonly string[] = [
  'track',
  'page',
  'identify',
  'group',
  'reset',
  'consent',
  'flush',
  'use',
  'journey',
  ...commerceNames,
];

/**
 * The loader: queues calls, with their time, until the script arrives. This is the exact text of the `<script>`
 * element, line breaks included, so its hash is what a Content-Security-Policy needs.
 */
export function snippetCode({ script, integrity, ...options }: SnippetOptions): string {
  // a "</script>" in a value must not end the element
  const literal = (value: unknown) => JSON.stringify(value).replaceAll('<', '\\u003c');
  return [
    '',
    `!function(w,d,s,o){if(w.milepost)return;var m=w.milepost={q:[],o:o,t:Date.now()},p=w.trustedTypes;`,
    `${literal(snippetCalls.join(' '))}.split(" ").forEach(function(n){m[n]=function(){var a=arguments,t=Date.now();`,
    `return new Promise(function(r){m.q.push([n,a,t,r])})}});`,
    // where a page's policy requires Trusted Types, the address of a script must be vouched for
    `var u=s;try{s=p.createPolicy("milepost",{createScriptURL:function(){return u}}).createScriptURL("")}catch(x){}`,
    `var e=d.createElement("script");e.async=1;e.src=s;${
      integrity ? `e.crossOrigin="";e.integrity=${literal(integrity)};` : ''
    }d.head.appendChild(e)}`,
    `(window,document,${literal(script)},${literal(options)});`,
    '',
  ].join('\n');
}

/** The few lines that a site pastes into its `<head>`. */
export function snippet(options: SnippetOptions): string {
  return `<script>${snippetCode(options)}</script>`;
}
