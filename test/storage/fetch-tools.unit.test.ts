import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/fetch-tools', import.meta.url));

/** A PATH with what the script itself needs and the programs given, and an empty cache. */
function fetchTools(
  programs: Readonly<Record<string, string>>,
): ReturnType<typeof spawnSync> & { cache: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-tools-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['sh', 'mkdir', 'mv', 'rm', 'cat', 'cp', 'sed'])
    symlinkSync(`/bin/${name}`, join(bin, name));
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const cache = join(folder, 'cache');
  const env = { PATH: bin, SENSU_FERRY_CACHE: cache };
  return { ...spawnSync('/bin/sh', [script], { env, encoding: 'utf8' }), cache };
}

const newGo = '[ "$1" = install ] || { echo go1.99.1; exit; }';

describe('scripts/fetch-tools', () => {
  it('says what is missing where there is neither Go nor the program', () => {
    const ended = fetchTools({});
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain(
      'There is neither Go to build versitygw with (There is no apt here), nor versitygw on the PATH.',
    );
  });

  it('takes what is installed where there is no Go', () => {
    const ended = fetchTools({ versitygw: 'exit 0', age: 'exit 0', 'age-keygen': 'exit 0' });
    expect(ended).toMatchObject({ status: 0, stderr: '' });
  });

  it('says what Go says of a build that fails, and leaves nothing half made', () => {
    const ended = fetchTools({ go: `${newGo}; echo "no such module" >&2; exit 1` });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain('no such module');
    expect(ended.stderr).toContain('versitygw@');
    expect(readdirSync(join(ended.cache, 'tools'))).toEqual([]);
  });

  it('has an old Go fetch a newer one', () => {
    const ended = fetchTools({
      go: '[ "$1" = install ] || { echo go1.21.3; exit; }; echo "with $GOTOOLCHAIN" >&2; exit 1',
    });
    expect(ended.stderr).toMatch(/with go1\.\d+\.\d+/);
  });

  it('builds each program once', () => {
    const build =
      `${newGo}; ` +
      'for last; do :; done; name=${last##*/}; echo built > "$GOBIN/${name%@*}"; chmod 755 "$GOBIN/${name%@*}"';
    const ended = fetchTools({ go: build, chmod: '/bin/chmod "$@"' });
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    const env = { PATH: '/bin', SENSU_FERRY_CACHE: ended.cache };
    const again = spawnSync('/bin/sh', [script], { env, encoding: 'utf8' });
    expect(again).toMatchObject({ status: 0, stdout: ended.stdout, stderr: '' });
  });
});
