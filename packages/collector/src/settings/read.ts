import { Refusal } from '../refusal.ts';
import { catalogue, type SettingName, settingNames, settingOf, type SettingValues } from './catalogue.ts';
import { length } from './forms.ts';

/** Pairs of settings that bound each other. */
const bounds = [
  { shorter: 'engaged_after', longer: 'session_limit', mayBeEqual: false },
  { shorter: 'session_gap', longer: 'session_limit', mayBeEqual: true },
] as const;

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(catalogue, name);
}

/** Reads what was given for settings, each by itself; refuses with a sentence that names the setting. */
export function readSettings(given: Record<string, unknown>): SettingValues {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, readSetting(name, value)]));
}

/** Reads `name=value` arguments. */
export function settingsOfArguments(texts: readonly string[]): SettingValues {
  const given = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw new Refusal(`“${text}” names no setting and value; write --set name=value.`);
    const name = text.slice(0, at).trim();
    if (given.has(name)) throw new Refusal(`${name} is given twice; a list has commas between its parts.`);
    given.set(name, text.slice(at + 1).trim());
  }
  return readSettings(Object.fromEntries(given));
}

function readSetting(name: string, value: unknown): SettingValues[SettingName] {
  if (!isSettingName(name)) {
    throw new Refusal(`there is no setting ${name}; there are ${settingNames.join(', ')}.`);
  }
  const { form } = settingOf(name);
  const read = form.schema.safeParse(value);
  if (!read.success) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    throw new Refusal(`${name} cannot be “${text}”. ${form.allowed}`);
  }
  return read.data;
}

/** Refuses settings that contradict each other; `changed` says which of them were given now. */
export function checkTogether(settings: SettingValues, changed: readonly string[]): void {
  for (const { shorter, longer, mayBeEqual } of bounds) {
    if (!changed.includes(shorter) && !changed.includes(longer)) continue;
    const [short, long] = [
      settings[shorter] ?? catalogue[shorter].default,
      settings[longer] ?? catalogue[longer].default,
    ];
    if (length(short) < length(long) || (mayBeEqual && length(short) === length(long))) continue;
    const shown = (name: SettingName, value: string) => `${name} (${settingOf(name).form.textOf(value)})`;
    throw new Refusal(
      `${shown(shorter, short)} must be ${mayBeEqual ? 'at most' : 'less than'} ${shown(longer, long)}; change both at once where both are meant.`,
    );
  }
}
