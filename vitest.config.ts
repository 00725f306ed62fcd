import { defineConfig } from 'vitest/config';

// Two projects: tests beside their source need nothing; tests in packages/*/test share one real PostgreSQL.
export default defineConfig({
  test: {
    reporters: ['default', './tools/summary-reporter.ts'],
    // Most tests wait for PostgreSQL or a browser half of the time: two files at once also on a machine of two cores.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'examples/*/src/**/*.test.ts',
            'benchmarks/src/**/*.test.ts',
            'tools/*.test.ts',
          ],
        },
      },
      {
        test: {
          name: 'system',
          include: [
            'packages/*/test/**/*.test.ts',
            'examples/*/test/**/*.test.ts',
            'benchmarks/test/**/*.test.ts',
          ],
          globalSetup: ['packages/collector/test/support/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
