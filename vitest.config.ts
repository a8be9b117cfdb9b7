import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Bounds for what hangs, not for what is slow: a machine of CI may have much else to do.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Two cores carry several real etcd members at once; more workers only make them miss heartbeats.
    maxWorkers: 2,
    // The S3 client tells which Node its own later releases will need.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    allowOnly: false,
    passWithNoTests: false,
  },
});
