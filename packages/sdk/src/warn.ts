const warned = new Set<string>();

/** Warns in the console, once a text. */
export function warn(text: string): void {
  if (!warned.has(text)) console.warn(`milepost: ${text}`);
  warned.add(text);
}
