import { style } from './style.ts';
import { languageOf, scores, textsOf, type SurveyKind, type SurveyTexts } from './texts.ts';

/** A survey as it is shown. */
export type Shown = {
  id: string;
  kind: SurveyKind;
  language: string;
  texts?: Partial<SurveyTexts> | undefined;
  scheme: 'auto' | 'light' | 'dark';
  place: 'start' | 'end';
  hasComment: boolean;
  /** Called once, with the answer, or without one when it is closed unanswered. */
  onDone: (answer?: { score: number; comment?: string }) => void;
};

type Attributes = Record<string, string>;

// long enough to be read; the pointer over it stops the time
const thanksMs = 5_000;

function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Whether a survey is on the page now: one at a time. */
export const isOpen = (): boolean => document.querySelector('[data-milepost-survey]') !== null;

/**
 * Shows a survey in a corner of the page (on small screens at its lower edge). It moves nothing and takes no focus; it
 * stands last in the page, and screen readers are told of it politely. Escape within it closes it, and the focus goes
 * back to where it came from. An answer that was chosen is kept when it is closed or the page is left.
 *
 * No inline style and no markup from text, so it works under the strictest Content-Security-Policy and Trusted Types.
 */
export function openSurvey(shown: Shown): void {
  const texts = textsOf(shown.kind, shown.language, shown.texts);
  const host = make('div', {
    'data-milepost-survey': shown.id,
    'data-place': shown.place,
    lang: languageOf(shown.language, shown.texts),
  });
  const root = host.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];

  const darkness = matchMedia('(prefers-color-scheme: dark)');
  const paint = () => {
    const isDark = shown.scheme === 'dark' || (shown.scheme === 'auto' && darkness.matches);
    host.setAttribute('data-scheme', isDark ? 'dark' : 'light');
  };
  paint();
  darkness.addEventListener('change', paint);

  const [lowest, highest] = scores[shown.kind];
  const options = Array.from({ length: highest - lowest + 1 }, (_, index) => {
    const score = lowest + index;
    const meaning = score === lowest ? `, ${texts.low}` : score === highest ? `, ${texts.high}` : '';
    const input = make('input', {
      type: 'radio',
      name: 'score',
      value: String(score),
      'aria-label': `${score}${meaning}`,
    });
    return make('label', {}, input, make('span', { 'aria-hidden': 'true' }, String(score)));
  });
  const comment = make('textarea', { id: 'comment', maxlength: '2000', rows: '3' });
  const more = make(
    'div',
    { class: 'more', hidden: '' },
    ...(shown.hasComment ? [make('label', { for: 'comment' }, texts.comment), comment] : []),
    make('button', { class: 'send', type: 'submit' }, texts.send),
  );
  const form = make(
    'form',
    {},
    make(
      'fieldset',
      { role: 'radiogroup', 'aria-labelledby': 'question' },
      make('div', { class: 'scale' }, ...options),
      make(
        'div',
        { class: 'ends', 'aria-hidden': 'true' },
        make('span', {}, texts.low),
        make('span', {}, texts.high),
      ),
    ),
    more,
  );
  const close = make('button', { class: 'close', type: 'button', 'aria-label': texts.close });
  const question = make('h2', { id: 'question' }, texts.question);
  const box = make('section', { role: 'dialog', 'aria-label': texts.title }, question, form, close);
  const heard = make('div', { class: 'heard', role: 'status' });
  root.append(box, heard);

  let isDone = false;
  let cameFrom: HTMLElement | undefined;

  const scoreNow = () => root.querySelector<HTMLInputElement>('input:checked')?.value;
  /** Tells what came of it, once. */
  function tell(isSent: boolean) {
    if (isDone) return;
    isDone = true;
    const score = scoreNow();
    const words = isSent ? comment.value.trim() : '';
    shown.onDone(
      score === undefined ? undefined : { score: Number(score), ...(words && { comment: words }) },
    );
  }
  function remove() {
    const hadFocus = root.activeElement !== null;
    darkness.removeEventListener('change', paint);
    removeEventListener('pagehide', onLeave, true);
    host.remove();
    if (hadFocus && cameFrom?.isConnected) cameFrom.focus();
  }
  function dismiss() {
    tell(false);
    remove();
  }
  // in the capturing phase, so before the tracker sends what it has
  const onLeave = () => {
    if (scoreNow() !== undefined) dismiss();
  };

  host.addEventListener('focusin', ({ relatedTarget }) => {
    if (relatedTarget instanceof HTMLElement) cameFrom = relatedTarget;
  });
  host.addEventListener('keydown', (event) => {
    // what is typed here is none of the page's shortcuts
    event.stopPropagation();
    if (event.key === 'Escape') dismiss();
  });
  close.addEventListener('click', dismiss);
  form.addEventListener('change', () => (more.hidden = false));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (scoreNow() === undefined) return;
    tell(true);
    const hadFocus = root.activeElement !== null;
    const thanks = make('p', { class: 'thanks', tabindex: '-1' }, texts.thanks);
    question.remove();
    form.replaceWith(thanks);
    heard.textContent = texts.thanks;
    if (hadFocus) thanks.focus();
    const leave = () => {
      if (!host.isConnected) return;
      if (host.matches(':hover')) setTimeout(leave, thanksMs);
      else remove();
    };
    setTimeout(leave, thanksMs);
  });
  addEventListener('pagehide', onLeave, true);

  document.body.append(host);
  // a live region speaks of what changes in it, so it has to be there first
  setTimeout(() => (heard.textContent = `${texts.title}: ${texts.question}`), 150);
}
