import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores carry several real etcd members at once; more workers only make them miss heartbeats.
    maxWorkers: 2,
    allowOnly: false,
    passWithNoTests: false,
  },
});
