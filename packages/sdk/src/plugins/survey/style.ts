/**
 * The survey's own style. Everything that a shop may want different is a custom property of the page,
 * `--milepost-survey-…`; a colour that is set holds in light and dark alike.
 */
export const style = `
:host {
  all: initial;
  --paper: var(--milepost-survey-background, #fff);
  --ink: var(--milepost-survey-text, #16181d);
  --soft: var(--milepost-survey-muted, #5c6370);
  --line: var(--milepost-survey-border, #d5d9e0);
  --field: var(--milepost-survey-border, #868e9b);
  --accent: var(--milepost-survey-accent, #1d4ed8);
  --on-accent: var(--milepost-survey-on-accent, #fff);
  --radius: var(--milepost-survey-radius, 14px);
  --gap: var(--milepost-survey-offset, 20px);
  color-scheme: light;
  contain: layout style;
  position: fixed;
  z-index: var(--milepost-survey-z-index, 2147483000);
  inset-block-end: calc(var(--gap) + env(safe-area-inset-bottom, 0px));
  inset-inline-end: var(--gap);
  inline-size: min(var(--milepost-survey-width, 420px), calc(100vw - 2 * var(--gap)));
  font: 400 15px/1.45 var(--milepost-survey-font, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif);
  color: var(--ink);
}
:host([data-place='start']) { inset-inline: var(--gap) auto; }
:host([data-scheme='dark']) {
  color-scheme: dark;
  --paper: var(--milepost-survey-background, #1b1e25);
  --ink: var(--milepost-survey-text, #f1f3f7);
  --soft: var(--milepost-survey-muted, #a5adbb);
  --line: var(--milepost-survey-border, #3c424e);
  --field: var(--milepost-survey-border, #78818f);
  --accent: var(--milepost-survey-accent, #8ab4ff);
  --on-accent: var(--milepost-survey-on-accent, #0c1322);
}
* { box-sizing: border-box; margin: 0; }
[hidden] { display: none !important; }
section {
  position: relative;
  padding: 20px;
  max-block-size: calc(100vh - 2 * var(--gap));
  overflow: auto;
  overscroll-behavior: contain;
  background: var(--paper);
  border: 1px solid var(--line);
  border-radius: var(--radius);
  box-shadow: var(--milepost-survey-shadow, 0 1px 2px rgb(0 0 0 / 8%), 0 12px 32px -6px rgb(0 0 0 / 24%));
  animation: arrive 0.28s cubic-bezier(0.2, 0.8, 0.3, 1);
}
@keyframes arrive { from { opacity: 0; transform: translateY(12px); } }
h2 { font-size: 17px; font-weight: 600; line-height: 1.35; padding-inline-end: 36px; text-wrap: balance; }
fieldset { border: 0; padding: 0; min-inline-size: 0; margin-block-start: 16px; }
.scale { display: flex; gap: var(--between, 6px); }
.scale label { position: relative; flex: 1 1 0; min-inline-size: 0; }
.scale input {
  appearance: none;
  position: absolute;
  inset: 0;
  inline-size: 100%;
  block-size: 100%;
  opacity: 0;
  cursor: pointer;
}
.scale span {
  display: grid;
  place-items: center;
  block-size: 44px;
  font-size: 15px;
  font-weight: 500;
  font-variant-numeric: tabular-nums;
  border: 1px solid var(--line);
  border-radius: calc(var(--radius) * 0.6);
  transition: background 0.12s, border-color 0.12s, color 0.12s;
}
.scale input:hover + span { border-color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, transparent); }
.scale input:checked + span { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
.scale input:focus-visible + span, button:focus-visible, textarea:focus-visible, p:focus-visible {
  outline: 2px solid var(--accent);
  outline-offset: 2px;
}
.ends { display: flex; justify-content: space-between; gap: 16px; margin-block-start: 8px; font-size: 13px; color: var(--soft); }
.ends span:last-child { text-align: end; }
.more { margin-block-start: 16px; animation: appear 0.2s; }
@keyframes appear { from { opacity: 0; } }
.more label { display: block; font-size: 14px; font-weight: 500; }
textarea {
  display: block;
  inline-size: 100%;
  margin-block: 6px 12px;
  padding: 9px 11px;
  font: inherit;
  font-size: 16px;
  color: inherit;
  background: transparent;
  border: 1px solid var(--field);
  border-radius: calc(var(--radius) * 0.6);
  resize: vertical;
  min-block-size: 76px;
}
button { font: inherit; color: inherit; background: none; border: 0; cursor: pointer; }
.send {
  display: block;
  min-block-size: 44px;
  padding-inline: 20px;
  font-weight: 600;
  color: var(--on-accent);
  background: var(--accent);
  border: 1px solid transparent;
  border-radius: calc(var(--radius) * 0.6);
}
.send:hover { background: color-mix(in srgb, var(--accent) 88%, var(--ink)); }
.close {
  position: absolute;
  inset-block-start: 12px;
  inset-inline-end: 12px;
  inline-size: 36px;
  block-size: 36px;
  border-radius: 50%;
  color: var(--soft);
}
.close:hover { background: color-mix(in srgb, var(--ink) 8%, transparent); color: var(--ink); }
.close::before, .close::after {
  content: '';
  position: absolute;
  inset-block-start: 17px;
  inset-inline-start: 10px;
  inline-size: 16px;
  block-size: 2px;
  border-radius: 1px;
  background: currentcolor;
  transform: rotate(45deg);
}
.close::after { transform: rotate(-45deg); }
.thanks { padding-inline-end: 36px; font-size: 17px; font-weight: 600; line-height: 1.35; }
.heard { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 480px) {
  :host, :host([data-place='start']) {
    inset-inline: 0;
    inset-block-end: 0;
    inline-size: auto;
  }
  section {
    padding: 18px 16px calc(18px + env(safe-area-inset-bottom, 0px));
    max-block-size: 80vh;
    border-width: 1px 0 0;
    border-end-start-radius: 0;
    border-end-end-radius: 0;
  }
  .scale { --between: 4px; }
  .scale span { font-size: 14px; }
}
@media (max-width: 340px) {
  section { padding-inline: 12px; }
  .scale { --between: 2px; }
}
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .scale input:checked + span { forced-color-adjust: none; background: Highlight; color: HighlightText; }
  .close::before, .close::after { background: ButtonText; }
}
@media print { :host { display: none; } }
`;
