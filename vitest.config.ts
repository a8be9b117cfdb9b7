import { readdirSync } from 'node:fs';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The suffix of a file, as in `x.etcd.test.ts`, says what its tests need; CONTRIBUTING.md has them in a table. */
const projects = ['unit', 'etcd', 'program', 's3'];

const known = new RegExp(`\\.(${projects.join('|')})\\.test\\.ts$`);
const stray = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.test\.\w+$/.test(name) && !known.test(name),
);
// A file of no project would never run, and nobody would see it.
if (stray.length > 0) throw new Error(`These are no tests of ${projects.join(', ')}: ${stray.join(', ')}`);

/** Whole migrations take longest: begun last, one of them would be waited for while all other workers are idle. */
class MigrationsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number =>
      project.name === 'unit' ? 0 : moduleId.includes('/test/migrate/') ? 1 : 2;
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

const project = (name: string): TestProjectConfiguration => ({
  extends: true,
  test: {
    name,
    include: [`test/**/*.${name}.test.ts`],
    // First what fails early; then the rest, whose tests wait for other processes more than half of the time.
    sequence: { groupOrder: name === 'unit' ? 0 : 1 },
    maxWorkers: 3,
    // Unit tests leave nothing behind in their process; loading all modules for each file takes as long as they do.
    isolate: name !== 'unit',
  },
});

export default defineConfig({
  test: {
    projects: projects.map(project),
    sequence: { sequencer: MigrationsFirst },
    // Bounds for what hangs, not for what is slow: a machine of CI may have much else to do.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // The S3 client tells which Node its own later releases will need.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    allowOnly: false,
    passWithNoTests: false,
  },
});
