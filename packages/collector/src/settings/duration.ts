const unitSeconds = { second: 1, minute: 60, hour: 3_600, day: 86_400, week: 604_800 } as const;
type Unit = keyof typeof unitSeconds;

/** A length of time: absolute, or in months of the calendar. */
export type Duration = { months: number; seconds: number };

/** Reads '30 minutes', '1 hour 30 minutes' or, as PostgreSQL prints it, '13 mons' or '01:30:00'; else null. */
export function durationOf(text: string): Duration | null {
  const found = { months: 0, seconds: 0 };
  const rest = text
    .trim()
    .replace(
      /(\d+) ?(second|sec|s|minute|min|hour|h|day|d|week|month|mon|year)s?(?=\s|$)/g,
      (_, count, name) => {
        const amount = Number(count);
        if (name === 'year') found.months += 12 * amount;
        else if (name === 'month' || name === 'mon') found.months += amount;
        else found.seconds += amount * unitSeconds[unitOf(String(name))];
        return 'x';
      },
    )
    .replace(/(?<=^|\s)(\d+):(\d\d):(\d\d)$/, (_, hours, minutes, seconds) => {
      found.seconds += Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
      return 'x';
    });
  return /^x( x)*$/.test(rest) ? found : null;
}

function unitOf(name: string): Unit {
  return (
    (['second', 'minute', 'hour', 'day', 'week'] as const).find((unit) => unit.startsWith(name)) ?? 'second'
  );
}

/** Its length for a comparison, a month taken as 30 days. */
export function secondsOf({ months, seconds }: Duration): number {
  return months * 30 * unitSeconds.day + seconds;
}

/** What PostgreSQL is given: hours, minutes and seconds, so that a day is 24 hours through summer time too. */
export function intervalOf({ months, seconds }: Duration): string {
  return months === 0 ? `${seconds} seconds` : `${months} months ${seconds} seconds`;
}

/** What people are shown: one number in the largest unit that says it whole, hours up to two days. */
export function durationText({ months, seconds }: Duration): string {
  const named: string[] = [];
  if (months > 0) named.push(counted(months, 'month'));
  const units: Unit[] = seconds >= 3 * unitSeconds.day ? ['day', 'hour', 'minute'] : ['hour', 'minute'];
  const unit = units.find((one) => seconds % unitSeconds[one] === 0 && seconds > 0) ?? 'second';
  if (seconds > 0 || months === 0) named.push(counted(seconds / unitSeconds[unit], unit));
  return named.join(' ');
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
