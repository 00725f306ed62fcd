import { Presets, SingleBar } from 'cli-progress';

/** A progress bar on standard error; nothing at all where nobody looks (a pipe, `--json`). */
export type Progress = {
  to(value: number, note?: string): void;
  /** Says how much there is in all, once that is known. */
  of(total: number): void;
  stop(): void;
};

export function progressBar({
  total,
  unit,
  isShown,
}: {
  total: number;
  unit: string;
  isShown: boolean;
}): Progress {
  if (!isShown || !process.stderr.isTTY) {
    return { to: () => undefined, of: () => undefined, stop: () => undefined };
  }
  const bar = new SingleBar(
    {
      format: `{bar} {percentage} % · {value} of {total} ${unit} · {note}{eta_formatted} to go`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 200,
      stopOnComplete: false,
    },
    Presets.shades_classic,
  );
  bar.start(Math.max(1, total), 0, { note: '' });
  return {
    to: (value, note = '') => {
      if (value > bar.getTotal()) bar.setTotal(value);
      bar.update(value, { note: note === '' ? '' : `${note} · ` });
    },
    of: (whole) => bar.setTotal(whole),
    stop: () => bar.stop(),
  };
}
