// Says how many tests ran, and fails when one was skipped: a test without its etcd must fail, not vanish.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`);
if (skipped > 0 || report.numPassedTests === 0) process.exit(1);
