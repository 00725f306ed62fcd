import { build } from 'esbuild';

/** What a shop's bundler makes of `code`, which imports from the sources as `../../src/…`. */
export async function bundleOf(code: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2020',
    logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}
