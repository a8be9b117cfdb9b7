import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores carry several real etcd members at once; more workers only make them miss heartbeats.
    maxWorkers: 2,
    // The S3 client tells which Node its own later releases will need.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    allowOnly: false,
    passWithNoTests: false,
  },
});
