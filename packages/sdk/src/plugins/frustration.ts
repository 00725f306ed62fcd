import type { PluginApi } from '../plugin.ts';
import { elementsOf, listen, record, selectorOf } from './page.ts';

/** Where and when somebody clicked, in px and ms. */
export type Click = { clientX: number; clientY: number; timeStamp: number };

/** Whether one click belongs to a burst with a later one: within a second and 30 px. */
export function isNear(click: Click, later: Click): boolean {
  const distance = Math.hypot(later.clientX - click.clientX, later.clientY - click.clientY);
  return later.timeStamp - click.timeStamp < 1_000 && distance <= 30;
}

// what is clicked often for good reasons, or what shows its effect where nobody else can see it
const ownWays =
  'input:not([type=button],[type=submit],[type=reset]),select,textarea,label,summary,video,audio,canvas,[contenteditable]';
const interactive = 'a,button,input,[role=button],[role=link],[onclick]';

const isSelecting = () => getSelection()?.type === 'Range';

/** What was pressed by hand, seen from outside of shadow trees; undefined where a click would prove nothing. */
function pressedBy(event: MouseEvent): Element | undefined {
  const target = event.target as Element;
  const isPlain = event.isTrusted && !event.button && elementsOf(event)[0] && !target.closest(ownWays);
  return isPlain ? target : undefined;
}

/** The element that the visitor meant, as a touchpoint says it. */
function meant(pressed: Element) {
  const element = pressed.closest(interactive) ?? pressed;
  return { selector: selectorOf(element), tag: element.localName };
}

/** Records bursts of clicks: three within a second and 30 px, once a burst. */
export function watchRage(api: PluginApi): void {
  let recent: MouseEvent[] = [];
  let isTold = false;
  listen<MouseEvent>('click', (event) => {
    const pressed = pressedBy(event);
    // a key clicks without a place
    if (!pressed || !event.detail) return;
    recent = [...recent.filter((click) => isNear(click, event)), event];
    const clicks = recent.length;
    // three clicks also select a paragraph
    const isRage = clicks > 3 || (clicks > 2 && !isSelecting());
    if (isRage && !isTold) record(api, 'rage_click', { ...meant(pressed), clicks });
    isTold = isRage;
  });
}

// effects that are no change of the document; focus that comes with the press itself is none
const effects = 'scroll submit invalid toggle play pause focus blur';

/**
 * Records clicks on what looks as if it did something, after which nothing happens for `waitMs`: since the press the
 * document stays as it was, nothing scrolls, plays, is selected or sent, no other window or field gets the focus,
 * and nobody navigates.
 */
export function watchDead(api: PluginApi, waitMs: number): void {
  const { navigation } = globalThis as { navigation?: EventTarget };
  // without it, the slow answer to a script's navigation would look like nothing
  if (!navigation) return;
  let pressed: Element | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const end = () => {
    clearTimeout(timer);
    pressed = undefined;
    changes.disconnect();
  };
  const changes = new MutationObserver(end);

  listen<MouseEvent>('pointerdown', (event) => {
    end();
    pressed = pressedBy(event);
    // what changes in a shadow tree cannot be seen from here
    if (!pressed || pressed.localName.includes('-')) return end();
    changes.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    timer = setTimeout(end, waitMs);
  });

  listen<MouseEvent>('click', (event) => {
    const element = pressed;
    if (!element) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      end();
      const isLeading =
        element.closest('a[href]:not([href="#"],[href^=javascript])') && !event.defaultPrevented;
      // a dialog of the browser has held everything up
      const isLate = performance.now() - event.timeStamp > waitMs + 500;
      const isHand = (element: Element) => getComputedStyle(element).cursor === 'pointer';
      // some pages set the hand on the body, to get clicks at all
      const isAlive = element.closest(interactive) || (isHand(element) && !isHand(document.body));
      if (isAlive && !isLeading && !isLate && !isSelecting()) record(api, 'dead_click', meant(element));
    }, waitMs);
  });

  listen(effects, ({ type, target }) => {
    const isOwnFocus =
      target instanceof Element && (type === 'blur' || (type === 'focus' && target.contains(pressed!)));
    if (pressed && !isOwnFocus) end();
  });
  navigation.addEventListener('navigate', (event) => {
    // not a link to nowhere
    if (!(event as Event & { destination: { url: string } }).destination.url.endsWith('#')) end();
  });
  api.on('leave', end);
}
