/** Text that is already HTML; `html` puts it in as it is. */
export class Html {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

const escapes = /** @type {Record<string, string>} */ ({
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
});

/**
 * @typedef {Html | string | number | boolean | null | undefined} Value
 * @param {Value | readonly Value[]} value
 * @returns {string}
 */
function textOf(value) {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map((one) => textOf(/** @type {Value} */ (one))).join('');
  if (value === null || value === undefined || value === false) return '';
  return String(value).replace(/[&<>"']/g, (character) => escapes[character] ?? character);
}

/**
 * A template whose values are escaped, so that a name or a review can never become markup.
 * @param {TemplateStringsArray} strings
 * @param {...(Value | readonly Value[])} values
 */
export function html(strings, ...values) {
  return new Html(strings.reduce((text, part, index) => text + textOf(values[index - 1]) + part));
}
