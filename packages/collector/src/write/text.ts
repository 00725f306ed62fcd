/** What PostgreSQL cannot hold in text: NUL and lone surrogates become U+FFFD. */
export function storable(text: string): string {
  if (text.isWellFormed() && !text.includes('\0')) return text;
  return text.toWellFormed().replaceAll('\0', '\u{fffd}');
}

// JSON.stringify writes NUL and lone surrogates as escapes and pairs as they are; `\\` is matched to step over it.
const unstorableEscape = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/** A JSON text that jsonb takes. Null for nothing and for an empty object, which say the same. */
export function jsonOf(value: object | null | undefined): string | null {
  if (value == null) return null;
  const text = JSON.stringify(value);
  if (text === '{}') return null;
  if (!text.includes('\\u')) return text;
  return text.replace(unstorableEscape, (escape) => (escape === '\\\\' ? escape : '\u{fffd}'));
}
