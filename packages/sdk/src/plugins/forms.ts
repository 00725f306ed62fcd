import type { Plugin } from '../plugin.ts';
import { addressOf, elementsOf, listen, record } from './page.ts';

type Field = Element & { form?: HTMLFormElement | null };
/** A form that somebody has begun to fill in. */
type Begun = { at: number; last_field?: string | null; isTold?: boolean };

/**
 * What may be said of a form: names, never values; with a password or a card in it nothing but counts. Its attributes
 * are read as such, for a field named `id` hides the form's own.
 */
function describe(form: HTMLFormElement, { at, last_field }: Begun) {
  const all = [...form.elements] as HTMLInputElement[];
  const form_field_count = all.filter(({ type }) => !/hidden|submit|button|reset|fieldset/.test(type)).length;
  const duration_ms = Math.round(performance.now() - at);
  const isSecret = all.some((field) =>
    /password|cc-|card|cvc|cvv|iban/i.test(field.type + field.name + field.autocomplete),
  );
  return {
    ...(!isSecret && {
      form_id: form.getAttribute('id'),
      form_name: form.getAttribute('name'),
      form_destination: addressOf(new URL(form.getAttribute('action') ?? '', document.baseURI)),
      last_field,
    }),
    form_field_count,
    duration_ms,
  };
}

/**
 * Forms: `form_start` at the first input, `form_submit`, and `form_abandon` when the page is hidden or left in between.
 */
export function forms(): Plugin<void> {
  return (api) => {
    const begun = new Map<HTMLFormElement, Begun>();
    const tell = (what: string, form: HTMLFormElement, state: Begun) =>
      record(api, `form_${what}`, describe(form, state));

    const submit = (event: Event) => {
      const [form] = elementsOf(event) as HTMLFormElement[];
      if (!form) return;
      // `form.submit()` says no more than that fields are collected; so does a script that looks at them
      if (event.type === 'submit') tell('submit', form, begun.get(form) ?? { at: performance.now() });
      begun.delete(form);
    };
    listen('submit formdata', submit);

    listen('input change', (event) => {
      const [field] = elementsOf(event) as Field[];
      const form = field?.form;
      if (!form) return;
      const state: Begun = begun.get(form) ?? { at: performance.now() };
      state.last_field = field.getAttribute('name');
      state.isTold = false;
      if (begun.has(form)) return;
      begun.set(form, state);
      tell('start', form, state);
      // a shadow tree keeps this to itself
      if (form.getRootNode() !== document) form.addEventListener('submit', submit);
    });

    api.on('leave', () => {
      for (const [form, state] of begun) {
        if (!state.isTold) tell('abandon', form, state);
        state.isTold = true;
      }
    });
    api.on('view', () => begun.clear());
  };
}
