/** Options of the anti-flicker snippet. */
export type HideOptions = {
  /** How long marked elements stay hidden at most, in milliseconds. Default: 300. */
  hideMs?: number;
};

/**
 * Hides what is marked with `data-milepost-hide` until `journey()` has answered, or `hideMs` are over, whatever
 * happens: the timer runs here, not in the script. Elements keep their place. The style is made by script, so a
 * Content-Security-Policy needs nothing but the hash of this text, the exact text of the `<script>` element. A browser
 * too old for it (Safari before 16.4) hides nothing.
 */
export function hideCode({ hideMs = 300 }: HideOptions = {}): string {
  return [
    '',
    `!function(w,d){try{var s=new CSSStyleSheet,r=function(){s.disabled=!0};setTimeout(r,${Math.max(0, hideMs)});`,
    // a moment later, so that who waits for the answer has put it into the page
    `w.addEventListener("milepost:journey",function(){setTimeout(r)});`,
    `s.replaceSync("[data-milepost-hide]{visibility:hidden!important;opacity:0!important}");`,
    `d.adoptedStyleSheets=[...d.adoptedStyleSheets,s]}catch(e){}}(window,document);`,
    '',
  ].join('\n');
}

/** The element to put into the `<head>`, before everything that is marked. */
export function hide(options?: HideOptions): string {
  return `<script>${hideCode(options)}</script>`;
}
